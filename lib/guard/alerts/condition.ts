/** What there can be alerts of. */
export const ALERT_CODES = [
  'rpo-breached',
  'rpo-at-risk',
  'backup-failed',
  'restore-failed',
  'run-stuck',
  'chain-broken',
  'snapshot-damaged',
  'snapshot-doubtful',
  'restore-unfinished',
  'snapshot-untrusted',
  'keys-unsupported',
  'clock-suspicious',
  'drill-failed',
  'drill-overdue',
  'rto-breached',
  'credential-failed',
  'guard-failed',
  'guard-silent',
  'store-unavailable',
  'control-state-ignored',
  'lease-unreadable',
] as const;
export type AlertCode = (typeof ALERT_CODES)[number];

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
  readonly judged: ReadonlySet<string>;
}

export function keyOf({ code, subject }: { readonly code: string; readonly subject: string }): string {
  return `${code} ${subject}`;
}

export function merged(...findings: readonly Finding[]): Finding {
  return {
    conditions: findings.flatMap(({ conditions }) => conditions),
    judged: new Set(findings.flatMap(({ judged }) => [...judged])),
  };
}

/** The row of the runbook that says what to do about an alert. */
export function runbookOf(code: string): string {
  return `docs/operations.md#alert-${code}`;
}
