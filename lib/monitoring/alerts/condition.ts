import { createHash } from 'node:crypto';

/**
 * What there can be alerts of, and by what it is evaluated: `facts`, which whoever reads the store has; `all-facts`, of which
 * only the guard has met every object, so that others can open it and not end it; `step`, which one step of the guard finds.
 */
const EVALUATED_BY = {
  'rpo-breached': 'facts',
  'rpo-at-risk': 'facts',
  'backup-failed': 'facts',
  'restore-failed': 'facts',
  'run-stuck': 'step',
  'chain-broken': 'step',
  'snapshot-damaged': 'facts',
  'snapshot-doubtful': 'facts',
  'restore-unfinished': 'facts',
  'snapshot-untrusted': 'facts',
  'keys-unsupported': 'facts',
  'clock-suspicious': 'facts',
  'drill-failed': 'facts',
  'drill-overdue': 'facts',
  'rto-breached': 'facts',
  'credential-failed': 'step',
  'guard-failed': 'step',
  'guard-silent': 'facts',
  'store-unavailable': 'facts',
  'control-state-ignored': 'all-facts',
  'lease-unreadable': 'facts',
  'index-model-differs': 'facts',
} as const;
export type AlertCode = keyof typeof EVALUATED_BY;
export const ALERT_CODES = Object.keys(EVALUATED_BY) as AlertCode[];

/** The codes that are evaluated by one of these. */
export function codesBy(...evidence: readonly (typeof EVALUATED_BY)[AlertCode][]): ReadonlySet<AlertCode> {
  return new Set(ALERT_CODES.filter((code) => evidence.includes(EVALUATED_BY[code])));
}

/** Something that somebody must know of. Code and subject together are its identity: they stay while it lasts. */
export interface Condition {
  readonly code: AlertCode;
  /** An id, or the name of a check or step. Never a key or a value. */
  readonly subject: string;
  /** What is the case, in ids and counts. May change while it lasts. */
  readonly message: string;
  readonly hint: string;
  /** Since when (milliseconds since the epoch) all is right again, where that ends an alert which was told before it. */
  readonly endsWith?: number;
}

/** What was found, and of which codes it was looked for at all: of the others nothing is known. */
export interface Finding {
  readonly conditions: readonly Condition[];
  readonly evaluated: ReadonlySet<string>;
  /** What could not be found out all the same, as `keyOf`: of these nothing is known either. */
  readonly undecided?: ReadonlySet<string>;
}

/** Whether something that was not found is over. */
export function isOverIn(finding: Finding, one: { readonly code: string; readonly subject: string }): boolean {
  return finding.evaluated.has(one.code) && finding.undecided?.has(keyOf(one)) !== true;
}

/** Codes whose words name one event; of the others they change while it lasts, such as an age. */
const NAMES_ONE_EVENT = new Set(['chain-broken', 'snapshot-damaged', 'snapshot-doubtful', 'snapshot-suspicious']);

export function namesOneEvent({ code }: { readonly code: string }): boolean {
  return NAMES_ONE_EVENT.has(code);
}

/**
 * By which words that name one event are known again, also where they are encrypted with a key that was changed since. They hold ids
 * of snapshots, and counts.
 */
export function digestOf(words: string): string {
  return createHash('sha256').update(words).digest('hex').slice(0, 16);
}

export function keyOf({ code, subject }: { readonly code: string; readonly subject: string }): string {
  return `${code} ${subject}`;
}

export function merged(...findings: readonly Finding[]): Finding {
  return {
    conditions: findings.flatMap(({ conditions }) => conditions),
    evaluated: new Set(findings.flatMap(({ evaluated }) => [...evaluated])),
    undecided: new Set(findings.flatMap(({ undecided }) => [...(undecided ?? [])])),
  };
}

/** The row of the runbook that says what to do about an alert. */
export function runbookOf(code: string): string {
  return `docs/operations.md#alert-${code}`;
}
