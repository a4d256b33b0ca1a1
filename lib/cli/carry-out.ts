import type { App } from '../app/app.js';
import type { Environment } from '../app/config.js';
import { AppError, type ErrorCode } from '../errors.js';
import { isOver } from '../runs/ending.js';
import type { Started } from '../runs/engine.js';
import { handOver } from '../runs/hand-over.js';
import { heldError } from '../runs/held.js';
import type { RunRecord } from '../runs/model.js';
import { viewRun } from '../runs/live.js';
import { loadRun } from '../runs/records.js';
import type { Context } from './context.js';
import { silenceWords } from './output/phases.js';
import { progressView, type ProgressView } from './output/progress.js';

type Runner = Pick<App<'clock' | 'store'>, 'engine' | 'ports' | 'queued' | 'work'>;

/** How often the record is looked at, in milliseconds: here, and where the queue does the work. */
const POLL_LOCAL_MS = 250;
const POLL_QUEUE_MS = 1_000;
/** When a run over the queue has not been heard of for so long, something is in the way. */
const SILENCE_MS = 60_000;

/** The environment of a command: with `--local` as if there were no queue. */
export function runEnvironment(env: Environment, local: boolean): Environment {
  return local ? { ...env, QSTASH_TOKEN: '' } : env;
}

/**
 * Sees a run to its end and returns its record: works on it here or, with a queue, publishes its first attempt and watches
 * the record. Throws `locked` when another run is under way, `interrupted` when it stops watching.
 * `replica`: the work is on the second store.
 */
export async function carryOut(context: Context, app: Runner, started: Started, replica = false): Promise<RunRecord> {
  if (!started.started) throw await heldError(app.ports.store, started, undefined, replica);
  const { id } = started.run;
  const view = progressView(context, () => app.ports.clock.now());
  context.note(`run ${id}: ${app.queued ? 'handed over to the queue' : 'running in this process'}`);
  try {
    return await (app.queued ? followQueued(context, app, view, id) : workHere(context, app, view, id));
  } finally {
    view.stop();
  }
}

/** The error that a run ended with; null when it did all it was to do. */
export function errorOfRun(run: RunRecord): AppError | null {
  if (run.error === null) return null;
  const { code, message, hint } = run.error;
  return new AppError(code as ErrorCode, message, { hint });
}

async function workHere({ interrupt }: Context, app: Runner, view: ProgressView, id: string): Promise<RunRecord> {
  const { clock, store } = app.ports;
  const over = new AbortController();
  const work = app.work(id, { deadline: Number.POSITIVE_INFINITY, lastAttempt: true, interrupt });
  const watching = (async () => {
    while (!over.signal.aborted) {
      view.update((await loadRun(store, id)).record);
      await clock.sleep(POLL_LOCAL_MS, over.signal);
    }
  })();
  // What is wrong with the store, the work itself meets as well.
  watching.catch(() => undefined);
  const run = await work.finally(() => over.abort());
  await watching.catch(() => undefined);
  return run;
}

async function followQueued(context: Context, app: Runner, view: ProgressView, id: string): Promise<RunRecord> {
  const { clock, store } = app.ports;
  await handOver(app.engine, id);
  let told = false;
  while (!context.interrupt.aborted) {
    const record = await viewRun(store, id);
    view.update(record);
    if (isOver(record)) return record;
    if (!told && clock.now() - Date.parse(record.updatedAt) > SILENCE_MS) {
      told = true;
      context.note(silenceWords(record));
    }
    await clock.sleep(POLL_QUEUE_MS, context.interrupt);
  }
  throw new AppError('interrupted', `Run ${id} is no longer watched; it continues over the queue`, {
    hint: `Nothing to do: ${context.env['PUBLIC_URL'] ?? ''}/api/runs/${id} tells, with the admin token, how it goes.`,
  });
}
