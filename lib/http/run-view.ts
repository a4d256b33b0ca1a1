import { otherDatabaseWords, PREFIX_HINT, type Held } from '../runs/lease.js';
import { planNotes } from '../restore/plan-words.js';
import { dryRunResult } from '../restore/result.js';
import { HIDDEN_WORDS } from '../control/encryption.js';
import { statusOf, type ErrorCode, AppError } from '../errors.js';
import { costOf } from '../monitoring/status/figures.js';
import { traitsOf } from '../run-kinds.js';
import { isOver, type RunRecord } from '../runs/model.js';
import { runSummary, type RunSummary } from '../runs/summary.js';
import { fieldsOf, type Figure, type RunCost } from '../runs/traits.js';
import type { App } from '../app/app.js';
import { handOver } from '../runs/engine.js';
import type { Budget } from '../runs/attempt.js';
import { json } from './responses.js';

interface KindView {
  /** The steps of this kind of run, in order; a run may skip some. */
  readonly steps: readonly Step[];
  /** Figures of its result. */
  readonly figures: readonly Figure[];
  /** How it ended, in a sentence; null until it is over. */
  readonly ended: string | null;
}

/** A run in the API: the record without its checkpoint and bookkeeping. */
export interface RunView extends RunSummary, KindView {
  /** Null until it is over; the contents depend on the kind. */
  readonly result: RunRecord['result'];
  /** When each phase so far began. */
  readonly phases: RunRecord['phases'];
  /** Notes of a plan besides its counts: doubts of the snapshot, what is left out, jobs that will be failed. */
  readonly notes: readonly string[];
  /** Tasks of the current phase, each delivered by the queue; 0 if it has none. */
  readonly tasks: RunRecord['tasks'];
  /** Its cost; null if the record has none. */
  readonly cost: RunCost | null;
  /** Set if the details are encrypted with a key that is not set here. */
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

/** 202 while further attempts follow, 207 for an incomplete result, and the error's status for a failure. */
export function statusOfRun(run: RunRecord): number {
  switch (run.state) {
    case 'running':
    case 'waiting':
      return 202;
    case 'succeeded':
      // A doubtful snapshot succeeded, but has the error that says why it is doubtful.
      return run.error === null ? 200 : statusOf(run.error.code as ErrorCode);
    case 'incomplete':
      return 207;
    case 'failed':
      return statusOf((run.error?.code ?? 'internal') as ErrorCode);
  }
}

interface Step {
  readonly phase: string;
  /** What the phase does, such as `reading the database`. */
  readonly words: string;
}

/** The texts of a run by its kind: the page has no texts for kinds. */
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
  failed: 'The reason is unknown',
};

/** Answer to a call that starts a run over the queue. */
export type StartedView = Pick<RunView, 'runId' | 'state'>;

type Runner = Pick<App<'store'>, 'engine' | 'queued' | 'work'>;

/**
 * Answers a call that has started a run: with a queue 202 at once, with the fields of `what`; without a queue the run is
 * worked on here until the deadline, and the answer is the run.
 */
export async function answerStarted(
  app: Runner,
  { id }: RunRecord,
  budget: Budget,
  what: object = {},
): Promise<Response> {
  const headers = { location: `/api/runs/${id}` };
  if (!app.queued) {
    const run = await app.work(id, budget);
    return json(statusOfRun(run), runView(run), headers);
  }
  await handOver(app.engine, id);
  const view: StartedView = { runId: id, state: 'running' };
  return json(202, { ...view, ...what }, headers);
}

/** The error if another run holds the lease. `does`: what that run does; `then`: what to do when it is over. */
export function lockedError(
  { ageMs, holder, lease, otherSource, waitMs }: Held,
  does: string,
  then = 'try again',
): AppError {
  const [age, wait] = [ageMs, waitMs].map((ms) => Math.ceil(ms / 1000));
  if (otherSource !== undefined) {
    const message = `Run ${holder} of ${otherDatabaseWords(otherSource)} renewed the lease ${lease} ${age} s ago`;
    return new AppError('locked', message, {
      hint: `When the run is over, ${then}. Unless renewed, the lease expires in ${wait} s. ${PREFIX_HINT}`,
      retryAfterMs: waitMs,
    });
  }
  return new AppError('locked', `Run ${holder} is ${does}; it renewed the lease ${lease} ${age} s ago`, {
    hint: `Follow it at /api/runs/${holder}; when it is over, ${then}. Unless renewed, the lease expires in ${wait} s; POST /api/runs/${holder}/cancel ends the run now.`,
    retryAfterMs: waitMs,
  });
}
