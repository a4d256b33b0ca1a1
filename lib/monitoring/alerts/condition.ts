import { createHash } from 'node:crypto';

/** Something that somebody must know of. Code and subject together are its identity: they stay while it lasts. */
export interface Condition<C extends string = string> {
  readonly code: C;
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
