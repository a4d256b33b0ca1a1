import { createHash } from 'node:crypto';

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
