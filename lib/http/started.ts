import type { App } from '../app/app.js';
import { AppError } from '../errors.js';
import { handOver } from '../runs/engine.js';
import { otherDatabaseWords, PREFIX_HINT, type Held } from '../runs/lease.js';
import type { Budget } from '../runs/attempt.js';
import type { RunRecord } from '../runs/model.js';
import { json } from './problem.js';
import { runView, statusOfRun, type RunView } from './run-view.js';

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
