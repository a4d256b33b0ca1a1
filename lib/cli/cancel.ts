import { endingApp as ending, type StoreApp } from '../app/app.js';
import type { Environment } from '../app/config.js';
import { cancelRun } from '../runs/cancel.js';
import { traitsOf } from '../runs/kinds.js';
import type { Context } from './context.js';

/** `cancel`: ends a run now. Exit 0 also for a run that was over before. */
export async function cancel(context: Context, id: string): Promise<number> {
  const run = await cancelRun(endingApp(context, context.env).engine, id);
  const cancelled = run.error?.code === 'cancelled';
  context.print(
    cancelled
      ? `Run ${id}, a ${traitsOf(run.kind).title}, is cancelled. An attempt that was working on it stops at its next write.`
      : `Run ${id}, a ${traitsOf(run.kind).title}, was over before: ${run.state}. Nothing was changed.`,
  );
  context.document({ run: id, kind: run.kind, state: run.state, cancelled, finishedAt: run.finishedAt });
  return 0;
}

/** An app that can end runs: with the database at hand the locks that a run holds in it are freed as well. */
export function endingApp({ log }: Pick<Context, 'log'>, env: Environment): StoreApp {
  return ending(env, { log: quiet(log) });
}

/** The command itself says what the log would. */
function quiet(log: Context['log']): Context['log'] {
  return { ...log, error: () => undefined };
}
