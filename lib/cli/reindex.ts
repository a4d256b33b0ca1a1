import { indexApp } from '../app.js';
import { AppError } from '../errors.js';
import type { ReindexInput, ReindexMode, ReindexScope } from '../reindex/model.js';
import { prepareReindex, startReindex } from '../reindex/start.js';
import { handOver } from '../runs/hand-over.js';
import { heldError } from '../runs/held.js';
import type { RunRecord } from '../runs/model.js';
import { carryOut, errorOfRun, runEnvironment } from './carry-out.js';
import type { Context } from './context.js';
import { planOf, reportOf } from './reindex/result.js';
import { planText, reportText } from './reindex/view.js';
import { ask, canAsk } from './restore/ask.js';
import { finish } from './restore/ending.js';
import { follow } from './run/follow.js';

export interface ReindexOptions {
  readonly project?: string;
  readonly all?: boolean;
  readonly mode: ReindexMode;
  readonly dryRun?: boolean;
  readonly watch?: boolean;
  readonly local?: boolean;
  readonly yes?: boolean;
}

/**
 * `reindex`: rebuilds the vector index of one project, or of all, from Redis. Over the queue it is followed on a terminal
 * or with --watch; else it is handed over, and the run's id printed.
 */
export async function reindex(context: Context, options: ReindexOptions): Promise<number> {
  const scope = scopeOf(options);
  const app = indexApp(runEnvironment(context.env, options.local === true), { log: context.log });
  const input: ReindexInput = { scope, mode: options.mode, dryRun: options.dryRun === true, trigger: 'cli' };
  const asks = input.mode === 'flush' && !input.dryRun && options.yes !== true;
  if (asks && !canAsk()) throw nobodyThere();
  const prepared = await prepareReindex(app.reindex, input);
  if (asks) await demandYes(context);
  const started = await startReindex(app.engine, prepared);
  if (!app.queued) return report(context, await carryOut(context, app, started));
  if (!started.started) throw await heldError(app.ports.store, started);
  await handOver(app.engine, started.run.id);
  const follows = input.dryRun || options.watch === true || context.onTerminal;
  if (!follows) return leave(context, started.run);
  context.note(`run ${started.run.id}: handed over to the queue`);
  return report(context, await follow(context, app.ports, started.run.id));
}

function report(context: Context, run: RunRecord): number {
  const plan = planOf(run.result);
  const done = reportOf(run.result);
  if (done !== null) context.print(reportText(done));
  else if (plan !== null) context.print(planText(plan));
  return finish(context, run, errorOfRun(run));
}

function leave(context: Context, run: RunRecord): number {
  context.document({ runId: run.id, state: run.state });
  context.print(`Run ${run.id} goes on over the queue. Follow it with: soulcaster-backup run ${run.id} --watch`);
  return 0;
}

function scopeOf({ all, project }: ReindexOptions): ReindexScope {
  if (all === true && project === undefined) return { all: true };
  if (all !== true && project !== undefined) return { project };
  throw new AppError('usage', 'It is not clear what to re-index', {
    hint: 'Give either --project with a whole id, or --all.',
  });
}

function nobodyThere(): AppError {
  return new AppError('usage', 'Nobody is here to confirm that the index is cleared first: this is no terminal', {
    hint: 'Give --yes, or take mode in-place, which keeps search going.',
  });
}

async function demandYes({ interrupt }: Context): Promise<void> {
  const answer = await ask(
    'Mode flush clears the index first; search finds nothing meanwhile. Type yes to go on: ',
    interrupt,
  );
  if (answer === 'yes') return;
  throw new AppError('not-confirmed', 'Nothing was changed: the answer was not yes', {
    hint: 'Mode in-place keeps search going.',
  });
}
