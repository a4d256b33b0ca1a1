import { REINDEX_WORDS } from '../reindex/run.js';
import { DRILL_WORDS } from '../restore/drill/run.js';
import { RESTORE_WORDS } from '../restore/phases.js';
import type { RunKind } from '../runs/kinds.js';
import type { RunDefinition } from '../runs/model.js';
import { SNAPSHOT_WORDS } from '../snapshot/run.js';
import { VERIFY_WORDS } from '../snapshot/verify.js';

export interface Step {
  readonly phase: string;
  /** What is done in it: `reading the database`. */
  readonly words: string;
}

const WORDS: Readonly<Record<RunKind, RunDefinition['words']>> = {
  snapshot: SNAPSHOT_WORDS,
  verify: VERIFY_WORDS,
  restore: RESTORE_WORDS,
  reindex: REINDEX_WORDS,
  drill: DRILL_WORDS,
};

/** The steps of a kind of run, in the words of its definition. */
export function stepsOf(kind: RunKind): Step[] {
  return Object.entries(WORDS[kind]).map(([phase, words]) => ({ phase, words }));
}
