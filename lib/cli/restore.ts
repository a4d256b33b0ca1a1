import { fullApp, type FullApp } from '../app.js';
import type { ObjectStore } from '../ports/store.js';
import { loadRun } from '../runs/records.js';
import { mayWrite, refusesWrites } from './in-memory.js';
import { AppError } from '../errors.js';
import { findSnapshot } from '../restore/choose.js';
import { loadManifest } from '../snapshot/manifest.js';
import { narrowedToUndo } from '../restore/undo-scope.js';
import { prepareRestore, startRestore, type RestoreRequest } from '../restore/start.js';
import { carryOut, runEnvironment } from './carry-out.js';
import type { Context } from './context.js';
import { canAsk } from './restore/ask.js';
import { isAgreed, showPlan, type OpenApp } from './restore/dry-run.js';
import { finish } from './restore/ending.js';
import { brokenOff, errorOf, notBegun } from './restore/failure.js';
import { explain } from './output/report-error.js';
import { reindexRestored } from './reindex/after-restore.js';
import { reportView } from './restore/report-view.js';
import { requestOf, type RestoreOptions } from './restore/request.js';
import { openResult, restoredResult } from './restore/result.js';
import { undoOf } from './restore/undo.js';
import { sourceOf } from '../snapshot/source.js';
import { notePassedOver } from './trust.js';
import { storeEnvironment } from './store-choice.js';

const NO_LOCK =
  'warning: --no-lock: nothing keeps another restore, a backup or a prune from working at the same time, and no mark in the store says that this restore is unfinished: pause the schedules, and if it breaks off, start it again before the next backup. Marks of earlier restores stay.';

/**
 * `restore`: brings a snapshot back, all of it or one project. Somebody at a terminal is shown what would be done, and
 * asked; elsewhere it takes --yes. `wanted` is an id, `latest`, or undefined when it was left out.
 */
export async function restore(context: Context, wanted: string | undefined, options: RestoreOptions): Promise<number> {
  const asked = requestOf(wanted, options);
  const mayGoOn = asked.dryRun || options.yes === true;
  if (!mayGoOn && !canAsk()) throw nobodyThere();
  const env = storeEnvironment(context.env, options.replica);
  const noLock = options.lock === false;
  const open: OpenApp = (memory) => {
    const inMemory = memory || noLock;
    return fullApp(runEnvironment(env, inMemory || options.local === true), { log: context.log, inMemory });
  };
  const app = open(false);
  if (!asked.dryRun && !noLock && !mayWrite(app.ports.signer)) throw publicKeyAlone();
  // Chosen once: a snapshot that is finished in between must not be restored instead of the one that was looked at.
  const own = sourceOf(app.ports.redis.host);
  const { id, passedOver } = await findSnapshot(app.ports, own, asked.snapshot, asked.at);
  notePassedOver(context, id, passedOver);
  const found = { ...asked, snapshot: id, at: null, confirm: id };
  const manifest = (await loadManifest(app.ports.store, id))?.manifest;
  const request = manifest === undefined ? found : await narrowedToUndo(app.ports, found, manifest);
  if (request.dryRun) return showPlan(context, open, request);
  if (noLock) context.note(NO_LOCK);
  try {
    if (!mayGoOn && !(await isAgreed(context, app, request))) return 0;
  } catch (error) {
    throw refusesWrites(error) ? notBegun(error, request) : error;
  }
  if (options.replica === true)
    context.note('what is saved first goes to the second store: undo with --replica as well');
  return perform(context, app, request);
}

async function perform(context: Context, app: FullApp, request: RestoreRequest): Promise<number> {
  const { store } = app.ports;
  const prepared = await prepareRestore(app.ports, request);
  const started = await startRestore(app.engine, prepared).catch((error: unknown) => {
    throw refusesWrites(error) ? notBegun(error, request) : error;
  });
  const ended = await carryOut(context, app, started).catch(async (error: unknown) => {
    throw refusesWrites(error) && started.started ? await stopped(store, started.run.id, error, request) : error;
  });
  const run = { ...ended, result: await openResult(context.env, app.ports.sealer, ended.result) };
  const undo = await undoOf(store, run);
  const result = restoredResult(run.result);
  if (result !== null) context.print(reportView(result, undo));
  const goesOn = result?.vectors.state === 'to-do' && app.reindex !== null;
  const vectors = goesOn ? await reindexRestored(context, app, app.reindex, result.scope) : null;
  const error = errorOf(run, app.queued);
  const told = error === null || result !== null ? error : brokenOff(error, request, undo, run);
  const unmade = vectors?.error ?? null;
  if (told !== null && unmade !== null) explain(unmade, { env: context.env, err: (text) => context.note(text) });
  return finish(context, run, told ?? unmade, {
    ...(undo === null ? {} : { undo: undo.from }),
    ...(vectors === null ? {} : { reindexed: vectors.document }),
  });
}

/** The error of a restore whose state the store did not take any more: its record says how far it had come. */
async function stopped(store: ObjectStore, id: string, error: AppError, request: RestoreRequest): Promise<AppError> {
  const run = (await loadRun(store, id)).record;
  return brokenOff(error, request, await undoOf(store, run), run);
}

function publicKeyAlone(): AppError {
  return new AppError('config', 'Only a public signing key is set, so this restore could not be recorded', {
    hint: 'Set BACKUP_SIGNING_KEY. A dry run needs none; with --no-lock --no-safety it restores without a record and without a way back.',
  });
}

function nobodyThere(): AppError {
  return new AppError('usage', 'Nobody is here to confirm the restore: this is no terminal', {
    hint: 'Look at what it would do with --dry-run, then give --yes.',
  });
}
