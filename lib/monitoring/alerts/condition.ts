import { createHash } from 'node:crypto';
import type { IndexPlace } from '../../ports/vector-index.js';
import type { Recipe } from '../../soulcaster/index-models.js';
import type { Facts } from '../facts.js';
import type { Scheduler } from '../schedulers.js';
import type { GuardState } from '../state.js';

/** A condition that operators must know of. Code and subject identify it and do not change while it lasts. */
export interface Condition<C extends string = string> {
  readonly code: C;
  /** An id, or the name of a check or step. Never a key or a value. */
  readonly subject: string;
  /** What is wrong, in ids and counts. May change while the condition lasts. */
  readonly message: string;
  readonly hint: string;
  /** When the condition was repaired, in milliseconds since the epoch: this ends an alert that was sent before. */
  readonly endsWith?: number;
}

/** The conditions found. `evaluated` has the codes that were evaluated; nothing is known of other codes. */
export interface Finding {
  readonly conditions: readonly Condition[];
  readonly evaluated: ReadonlySet<string>;
  /** Keys (`keyOf`) of conditions that were left undecided although their codes were evaluated. */
  readonly undecided?: ReadonlySet<string>;
}

/** Whether an alert that was not found is resolved. */
export function isResolvedIn(finding: Finding, one: { readonly code: string; readonly subject: string }): boolean {
  return finding.evaluated.has(one.code) && finding.undecided?.has(keyOf(one)) !== true;
}

/**
 * Identifies a message that names one event, even if the stored message is encrypted with a former key. Such messages
 * contain ids of snapshots, and counts.
 */
export function digestOf(message: string): string {
  return createHash('sha256').update(message).digest('hex').slice(0, 16);
}

export function keyOf({ code, subject }: { readonly code: string; readonly subject: string }): string {
  return `${code} ${subject}`;
}

export function mergeFindings(...findings: readonly Finding[]): Finding {
  return {
    conditions: findings.flatMap(({ conditions }) => conditions),
    evaluated: new Set(findings.flatMap(({ evaluated }) => [...evaluated])),
    undecided: new Set(findings.flatMap(({ undecided }) => [...(undecided ?? [])])),
  };
}

/** The runbook's section on an alert. */
export function runbookOf(code: string): string {
  return `docs/operations.md#alert-${code}`;
}

/**
 * What an alert is evaluated from. `facts`: what every evaluation reads. `all-facts`: only the guard reads every object, so
 * other evaluations can open the alert but not resolve it. `step`: one step of the guard.
 */
export type Evidence = 'facts' | 'all-facts' | 'step';

/** Alerts that are found together: codes, conditions and texts. docs/operations.md has a row for each code. */
export interface AlertSource<C extends string = string> {
  readonly codes: Readonly<Record<C, Evidence>>;
  /** Codes whose message names one event; messages of other codes change while the condition lasts, such as an age. */
  readonly oneEvent?: readonly C[];
  /** The conditions that hold; none if they are found elsewhere. */
  readonly find: (facts: Facts, options: EvaluateOptions) => readonly Condition<C>[];
  /** Conditions that these facts leave undecided, so that their alerts are not resolved. */
  readonly undecided?: (facts: Facts) => readonly Pick<Condition<C>, 'code' | 'subject'>[];
}

/** The configured model, and the index for its vectors. */
export interface ConfiguredIndex {
  readonly place: IndexPlace;
  readonly recipe: Recipe;
}

export interface EvaluateOptions {
  /**
   * Who starts drills: the guard; `operator`, who has the age identity, if the functions cannot decrypt snapshots; null
   * without a scratch database.
   */
  readonly drilledBy: 'guard' | 'operator' | null;
  /** The configured schedulers of the guard. */
  readonly schedulers: readonly Scheduler[];
  /** When the guard last ran, and who called it. */
  readonly guard: Pick<GuardState, 'callers' | 'lastRunAt'>;
  /** Types that are left out of snapshots: BACKUP_SKIP_TYPES. */
  readonly skipTypes: readonly string[];
  /** Whether this is the guard's turn, which reads all control objects. Default false. */
  readonly isGuard?: boolean;
  /** Null or absent without an index or an embedder. */
  readonly index?: ConfiguredIndex | null;
}
