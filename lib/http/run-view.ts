import { planNotes } from '../restore/plan-words.js';
import { dryRunResult } from '../restore/result.js';
import { HIDDEN_WORDS } from '../control/hidden.js';
import { statusOf, type ErrorCode } from '../errors.js';
import { costOf } from '../monitoring/cost.js';
import { traitsOf } from '../run-kinds.js';
import { isOver, type RunRecord } from '../runs/model.js';
import { runSummary, type RunSummary } from '../runs/summary.js';
import { fieldsOf, type Figure, type RunCost } from '../runs/traits.js';

interface KindView {
  /** What a run of its kind may do, in the order in which it is done; not every run takes every step. */
  readonly steps: readonly Step[];
  /** What it came to, as far as its result says it. */
  readonly figures: readonly Figure[];
  /** Its end in a sentence; null until it is over. */
  readonly ended: string | null;
}

/** A run as the API shows it: the record without its checkpoint and its bookkeeping. */
export interface RunView extends RunSummary, KindView {
  /** Null until it is over; what it holds depends on the kind. */
  readonly result: RunRecord['result'];
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
  const { phases, result, tasks } = run;
  return {
    ...runSummary(run),
    result,
    phases,
    tasks,
    ...kindView(run),
    notes: notesOf(run),
    cost: costOf(run),
    ...hidden,
  };
}

function notesOf({ result }: RunRecord): string[] {
  const plan = dryRunResult(result);
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

/** What is said of a run by what its kind is: the page has no words for any kind. */
export function kindView(run: Pick<RunRecord, 'kind' | 'state' | 'result' | 'error'>): KindView {
  const { done, figures, words } = traitsOf(run.kind);
  const result = fieldsOf(run.result);
  const end = run.error?.message ?? (run.state === 'succeeded' ? done?.(result) : null) ?? ENDS[run.state];
  return {
    steps: Object.entries(words).map(([phase, doing]) => ({ phase, words: doing })),
    figures: figures(result),
    ended: isOver(run) ? end : null,
  };
}

const ENDS: Readonly<Record<RunRecord['state'], string | null>> = {
  running: null,
  waiting: null,
  succeeded: 'Done',
  incomplete: 'Something could not be done',
  failed: 'No reason is known',
};
