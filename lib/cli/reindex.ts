import { indexApp, type FullApp } from '../app.js';
import { AppError } from '../errors.js';
import type { ReindexPorts } from '../reindex/context.js';
import type { ReindexInput, ReindexMode, ReindexScope } from '../reindex/model.js';
import { prepareReindex, startReindex } from '../reindex/start.js';
import { handOver } from '../runs/hand-over.js';
import type { RunRecord } from '../runs/model.js';
import { carryOut, errorOfRun, lockedBy, runEnvironment } from './carry-out.js';
import type { Context } from './context.js';
import { planOf, reportOf } from './reindex/result.js';
import { planText, reportText } from './reindex/view.js';
import { ask, canAsk } from './restore/ask.js';
import { finish } from './restore/ending.js';

export interface ReindexOptions {
  readonly project?: string;
  readonly all?: boolean;
  readonly mode: ReindexMode;
  readonly dryRun?: boolean;
  readonly watch?: boolean;
  readonly local?: boolean;
  readonly yes?: boolean;
}

type IndexApp = FullApp & { readonly reindex: ReindexPorts };

/**
 * `reindex`: rebuilds the vector index of one project, or of all, from Redis. Over the queue it is followed on a terminal
 * or with --watch; else it is handed over, and the run's id printed.
 */
export async function reindex(context: Context, options: ReindexOptions): Promise<number> {
  const scope = scopeOf(options);
  const app = indexApp(runEnvironment(context.env, options.local === true), { log: context.log });
  const input: ReindexInput = { scope, mode: options.mode, dryRun: options.dryRun === true, trigger: 'cli' };
  const prepared = await prepareReindex(app.reindex, input);
  if (input.mode === 'flush' && !input.dryRun && options.yes !== true) await demandYes(context);
  const started = await startReindex(app.engine, prepared);
  const follows = !app.queued || input.dryRun || options.watch === true || context.onTerminal;
  if (follows) return report(context, await carryOut(context, app, started));
  if (!started.started) throw await lockedBy(app, started.holder);
  await handOver(app.engine, started.run.id);
  return leave(context, started.run);
}

/** Goes on with the vectors of what was restored in this process. */
export async function reindexRestored(context: Context, app: FullApp, scope: ReindexScope): Promise<number> {
  if (app.reindex === null) return 0;
  const indexing: IndexApp = { ...app, reindex: app.reindex };
  const input: ReindexInput = { scope, mode: 'in-place', dryRun: false, trigger: 'restore' };
  const started = await startReindex(indexing.engine, await prepareReindex(indexing.reindex, input));
  return report({ ...context, document: () => undefined }, await carryOut(context, indexing, started));
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

async function demandYes({ interrupt }: Context): Promise<void> {
  if (!canAsk()) {
    throw new AppError('usage', 'Nobody is here to confirm that the index is cleared first: this is no terminal', {
      hint: 'Give --yes, or take mode in-place, which keeps search going.',
    });
  }
  const answer = await ask(
    'Mode flush clears the index first; search finds nothing meanwhile. Type yes to go on: ',
    interrupt,
  );
  if (answer === 'yes') return;
  throw new AppError('not-confirmed', 'Nothing was changed: the answer was not yes', {
    hint: 'Mode in-place keeps search going.',
  });
}
