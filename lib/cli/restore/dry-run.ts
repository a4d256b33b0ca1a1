import type { FullApp } from '../../app/app.js';
import { AppError } from '../../errors.js';
import { isUnbounded } from '../../restore/selected.js';
import { prepareRestore, startRestore, type RestoreRequest } from '../../restore/start.js';
import type { Started } from '../../runs/engine.js';
import type { RunRecord } from '../../runs/model.js';
import { carryOut } from '../carry-out.js';
import { carryOutReading } from '../in-memory.js';
import type { Context } from '../context.js';
import { prompt } from '../prompt.js';
import { scopeWords, targetWords } from './words.js';
import { finish, openResult } from './ending.js';
import { errorOf } from './failure.js';
import { changesAnything, planView } from './plan-view.js';
import { dryRunResult, type DryRunResult } from '../../restore/result.js';

/** The program; `inMemory`: one that writes nothing into the store. */
export type OpenApp = (inMemory: boolean) => FullApp;

interface DryRun {
  readonly run: RunRecord;
  readonly error: AppError | null;
  /** Null when it failed. */
  readonly result: DryRunResult | null;
}

/** Shows what a restore would do, and changes nothing. Returns the exit code. */
export async function showPlan(context: Context, open: OpenApp, request: RestoreRequest): Promise<number> {
  const asked = { ...request, dryRun: true };
  const start = async (app: FullApp): Promise<Started> =>
    startRestore(app.engine, await prepareRestore(app.ports, asked));
  const { app, run: ended } = await carryOutReading(context, open, start);
  const { run, error, result } = await resultOf(context, app, ended);
  if (result !== null) context.print(planView(result));
  return finish(context, run, error);
}

/**
 * Shows what would be done, asks, and returns whether to go on: not when there is nothing to do. Throws the error of the
 * dry run, and `not-confirmed` on any other answer than the right one.
 */
export async function isAgreed(context: Context, app: FullApp, request: RestoreRequest): Promise<boolean> {
  context.note('First a dry run, which changes nothing.');
  const { run, error, result } = await dryRun(context, app, request);
  if (result === null) throw error ?? unplanned();
  if (error !== null && error.code !== 'incomplete') {
    context.note(`\n${planView(result)}\n`);
    throw error;
  }
  if (!changesAnything(result.plan)) {
    context.print(planView(result));
    finish(context, run, null);
    return false;
  }
  context.note(`\n${planView(result)}\n`);
  const isWhole = isUnbounded(request.scope) && request.mode === 'replace';
  const expected = isWhole ? request.snapshot : 'yes';
  const where = targetWords(result);
  const question = isWhole
    ? `This replaces ${scopeWords(request)} in ${where}. To go on, type the snapshot's id: `
    : `This writes into ${where} (${scopeWords(request)}). To go on, type yes: `;
  if ((await prompt(question, context.interrupt)) === expected) return true;
  throw new AppError('not-confirmed', `Nothing was changed: the answer was not ${expected}`, {
    hint: 'Start the command again when you are sure.',
  });
}

async function dryRun(context: Context, app: FullApp, request: RestoreRequest): Promise<DryRun> {
  const prepared = await prepareRestore(app.ports, { ...request, dryRun: true });
  return resultOf(context, app, await carryOut(context, app, await startRestore(app.engine, prepared)));
}

async function resultOf(context: Context, app: FullApp, ended: RunRecord): Promise<DryRun> {
  const run = { ...ended, result: await openResult(context.env, app.ports.encryptor, ended.result) };
  return { run, error: errorOf(run, app.queued), result: dryRunResult(run.result) };
}

function unplanned(): AppError {
  return new AppError('internal', 'A dry run ended without a plan', { hint: 'Report this as a defect.' });
}
