import { planNotes } from '../restore/plan-words.js';
import { dryRunResult } from '../restore/result.js';
import { HIDDEN_WORDS } from '../control/hidden.js';
import { statusOf, type ErrorCode } from '../errors.js';
import { costOf, type RunCost } from '../monitoring/cost.js';
import type { RunRecord, RunDefinition } from '../runs/model.js';
import { runSummary, type RunSummary } from '../runs/summary.js';
import { REINDEX_WORDS } from '../reindex/run.js';
import { DRILL_WORDS } from '../restore/drill/run.js';
import { RESTORE_WORDS } from '../restore/phases.js';
import type { RunKind } from '../runs/kinds.js';
import { SNAPSHOT_WORDS } from '../snapshot/run.js';
import { VERIFY_WORDS } from '../snapshot/verify.js';

/** A run as the API shows it: the record without its checkpoint and its bookkeeping. */
export interface RunView extends RunSummary {
  /** Null until it is over; what it holds depends on the kind. */
  readonly result: RunRecord['result'];
  /** What a run of its kind may do, in the order in which it is done; not every run takes every step. */
  readonly steps: readonly Step[];
  /** When each phase began that it has come to. */
  readonly phases: RunRecord['phases'];
  /** What a plan says beside the numbers of its keys, in words: doubts of the snapshot, what is left out, work that becomes failed. */
  readonly notes: readonly string[];
  /** How many tasks the present phase has, each of which the queue delivers; 0 when it has none. */
  readonly tasks: RunRecord['tasks'];
  /** What it spent; null where its record does not say. */
  readonly cost: RunCost | null;
  /** Says that they are encrypted with a key that is not set here. */
  readonly details?: string;
}

export function runView(run: RunRecord): RunView {
  const hidden = run.hidden === true ? { details: HIDDEN_WORDS } : {};
  const { kind, phases, result, tasks } = run;
  return {
    ...runSummary(run),
    result,
    phases,
    tasks,
    steps: stepsOf(kind),
    notes: notesOf(run),
    cost: costOf(run),
    ...hidden,
  };
}

function notesOf({ kind, result }: RunRecord): string[] {
  const plan = kind === 'restore' ? dryRunResult(result) : null;
  return plan === null ? [] : planNotes(plan);
}

/** 202 while attempts are to come, 207 for what was done but is not whole, and the error's own status for what failed. */
export function statusOfRun(run: RunRecord): number {
  switch (run.state) {
    case 'running':
    case 'waiting':
      return 202;
    case 'succeeded':
      // A doubtful snapshot was taken as it should be, and yet is not what was wanted.
      return run.error === null ? 200 : statusOf(run.error.code as ErrorCode);
    case 'incomplete':
      return 207;
    case 'failed':
      return statusOf((run.error?.code ?? 'internal') as ErrorCode);
  }
}

interface Step {
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
