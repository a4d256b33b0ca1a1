import type { FullApp } from '../../app/app.js';
import { AppError } from '../../errors.js';
import { isUnbounded } from '../../restore/scope.js';
import { prepareRestore, startRestore, type RestoreRequest } from '../../restore/start.js';
import type { Started } from '../../runs/engine.js';
import type { RunRecord } from '../../runs/model.js';
import { carryOut } from '../carry-out.js';
import { carryOutReadOnly } from '../in-memory.js';
import type { Context } from '../context.js';
import { prompt } from '../prompt.js';
import { scopeWords, targetWords } from './words.js';
import { finishCommand, openResult } from './ending.js';
import { restoreErrorOf } from './failure.js';
import { changesAnything, planView } from './plan-view.js';
import { dryRunResult, type DryRunResult } from '../../restore/result.js';

/** Opens the program; with `inMemory`, it writes nothing to the store. */
export type OpenApp = (inMemory: boolean) => FullApp;

interface DryRun {
  readonly run: RunRecord;
  readonly error: AppError | null;
  /** Null if it failed. */
  readonly result: DryRunResult | null;
}

/** Shows the plan of a restore and changes nothing. Returns the exit code. */
export async function showPlan(context: Context, open: OpenApp, request: RestoreRequest): Promise<number> {
  const dryRequest = { ...request, dryRun: true };
  const start = async (app: FullApp): Promise<Started> =>
    startRestore(app.engine, await prepareRestore(app.ports, dryRequest));
  const { app, run: ended } = await carryOutReadOnly(context, open, start);
  const { run, error, result } = await resultOf(context, app, ended);
  if (result !== null) context.print(planView(result));
  return finishCommand(context, run, error);
}

/**
 * Shows the plan, asks for confirmation, and returns whether to continue: false if there is nothing to do. Throws the error of
 * the dry run, and `not-confirmed` on any other answer.
 */
export async function confirmRestore(context: Context, app: FullApp, request: RestoreRequest): Promise<boolean> {
  context.note('First a dry run, which changes nothing.');
  const { run, error, result } = await performDryRun(context, app, request);
  if (result === null) throw error ?? missingPlanError();
  if (error !== null && error.code !== 'incomplete') {
    context.note(`\n${planView(result)}\n`);
    throw error;
  }
  if (!changesAnything(result.plan)) {
    context.print(planView(result));
    finishCommand(context, run, null);
    return false;
  }
  context.note(`\n${planView(result)}\n`);
  const isWhole = isUnbounded(request.scope) && request.mode === 'replace';
  const expected = isWhole ? request.snapshot : 'yes';
  const where = targetWords(result);
  const question = isWhole
    ? `This replaces ${scopeWords(request)} in ${where}. To continue, type the snapshot's id: `
    : `This writes into ${where} (${scopeWords(request)}). To continue, type yes: `;
  if ((await prompt(question, context.interrupt)) === expected) return true;
  throw new AppError('not-confirmed', `Nothing was changed: the answer was not ${expected}`, {
    hint: 'Run the command again when you are sure.',
  });
}

async function performDryRun(context: Context, app: FullApp, request: RestoreRequest): Promise<DryRun> {
  const prepared = await prepareRestore(app.ports, { ...request, dryRun: true });
  return resultOf(context, app, await carryOut(context, app, await startRestore(app.engine, prepared)));
}

async function resultOf(context: Context, app: FullApp, ended: RunRecord): Promise<DryRun> {
  const run = { ...ended, result: await openResult(context.env, app.ports.encryptor, ended.result) };
  return { run, error: restoreErrorOf(run, app.queued), result: dryRunResult(run.result) };
}

function missingPlanError(): AppError {
  return new AppError('internal', 'A dry run ended without a plan', { hint: 'Report this as a defect.' });
}
