import { fullApp, storeApp } from '../app.js';
import { problemOfSection } from '../config.js';
import { cancelRun } from '../runs/cancel.js';
import { titleOf } from '../runs/model.js';
import type { Context } from './context.js';

/** `cancel`: ends a run now. Exit 0 also for a run that was over before. */
export async function cancel(context: Context, id: string): Promise<number> {
  const { env, log } = context;
  // With the database at hand the locks that the run holds in it are freed as well.
  const app =
    problemOfSection(env, 'redis') === null ? fullApp(env, { log: quiet(log) }) : storeApp(env, { log: quiet(log) });
  const run = await cancelRun(app.engine, id);
  const cancelled = run.error?.code === 'cancelled';
  context.print(
    cancelled
      ? `Run ${id}, a ${titleOf(run.kind)}, is cancelled. An attempt that was working on it stops at its next write.`
      : `Run ${id}, a ${titleOf(run.kind)}, was over before: ${run.state}. Nothing was changed.`,
  );
  context.document({ run: id, kind: run.kind, state: run.state, cancelled, finishedAt: run.finishedAt });
  return 0;
}

/** The command itself says what the log would. */
function quiet(log: Context['log']): Context['log'] {
  return { ...log, error: () => undefined };
}
