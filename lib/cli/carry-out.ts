import type { App } from '../app/app.js';
import type { Environment } from '../app/config.js';
import { AppError, type ErrorCode } from '../errors.js';
import { isOver, type RunRecord } from '../runs/model.js';
import { type Started, handOver } from '../runs/engine.js';
import { leaseHeldError } from '../runs/lease.js';
import { viewRun } from '../runs/summary.js';
import { loadRun } from '../runs/records.js';
import type { Context } from './context.js';
import { silenceWords } from './output/phases.js';
import { progressView, type ProgressView } from './output/progress.js';

type Runner = Pick<App<'clock' | 'store'>, 'engine' | 'ports' | 'queued' | 'work'>;

/** How often the run's record is read, in milliseconds: for work in this process, and over the queue. */
const POLL_LOCAL_MS = 250;
const POLL_QUEUE_MS = 1_000;
/** After this time without progress, in milliseconds, a run over the queue is reported as silent. */
const SILENCE_MS = 60_000;

/** The environment of a command; `--local` removes the queue. */
export function runEnvironment(env: Environment, local: boolean): Environment {
  return local ? { ...env, QSTASH_TOKEN: '' } : env;
}

/**
 * Runs to the end and returns the record: works in this process or, with a queue, publishes the first attempt and polls the
 * record. Throws `locked` if another run holds the lease, `interrupted` if polling is interrupted.
 * `replica`: the run works on the second store.
 */
export async function carryOut(context: Context, app: Runner, started: Started, replica = false): Promise<RunRecord> {
  if (!started.started) throw await leaseHeldError(app.ports.store, started, undefined, replica);
  const { id } = started.run;
  const view = progressView(context, () => app.ports.clock.now());
  context.note(`run ${id}: ${app.queued ? 'handed over to the queue' : 'running in this process'}`);
  try {
    return await (app.queued ? followQueued(context, app, view, id) : workInProcess(context, app, view, id));
  } finally {
    view.stop();
  }
}

/** The error that a run ended with; null if it succeeded. */
export function errorOfRun(run: RunRecord): AppError | null {
  if (run.error === null) return null;
  const { code, message, hint } = run.error;
  return new AppError(code as ErrorCode, message, { hint });
}

async function workInProcess({ interrupt }: Context, app: Runner, view: ProgressView, id: string): Promise<RunRecord> {
  const { clock, store } = app.ports;
  const over = new AbortController();
  const work = app.work(id, { deadline: Number.POSITIVE_INFINITY, lastAttempt: true, interrupt });
  const polling = (async () => {
    while (!over.signal.aborted) {
      view.update((await loadRun(store, id)).record);
      await clock.sleep(POLL_LOCAL_MS, over.signal);
    }
  })();
  // Errors of the store are ignored here: the work meets them too.
  polling.catch(() => undefined);
  const run = await work.finally(() => over.abort());
  await polling.catch(() => undefined);
  return run;
}

async function followQueued(context: Context, app: Runner, view: ProgressView, id: string): Promise<RunRecord> {
  const { clock, store } = app.ports;
  await handOver(app.engine, id);
  let isReported = false;
  while (!context.interrupt.aborted) {
    const record = await viewRun(store, id);
    view.update(record);
    if (isOver(record)) return record;
    if (!isReported && clock.now() - Date.parse(record.updatedAt) > SILENCE_MS) {
      isReported = true;
      context.note(silenceWords(record));
    }
    await clock.sleep(POLL_QUEUE_MS, context.interrupt);
  }
  throw new AppError('interrupted', `Run ${id} is no longer watched; it continues over the queue`, {
    hint: `No action is needed. To follow it: \`npx soulcaster-backup run ${id} --watch --env-file .env\`.`,
  });
}
