import { stat } from 'node:fs/promises';
import { fullApp, type FullApp } from '../app/app.js';
import { functionsCanOpen } from '../app/settings.js';
import type { ObjectStore } from '../ports/store.js';
import { loadRun } from '../runs/records.js';
import { isWriteRefusal, carryOut, runEnvironment, finishCommand } from './carry-out.js';
import { hostOf } from '../app/connect/database.js';
import { AppError } from '../errors.js';
import { findSnapshot } from '../restore/choose.js';
import { loadManifest } from '../snapshot/manifest.js';
import { narrowToUndo } from '../restore/undo-scope.js';
import { prepareRestore, startRestore, type RestoreRequest } from '../restore/start.js';
import type { Context } from './context.js';
import { canPrompt } from './prompt.js';
import { confirmRestore, showPlan, type OpenApp, requestOf, type RestoreOptions } from './restore/request.js';
import { openResult, interruptedRestoreError, restoreErrorOf, notStartedError, undoOf } from './restore/ending.js';
import { printError } from './output/report-error.js';
import { reindexRestored } from './reindex.js';
import { reportView, vectorsOf } from './restore/report-view.js';
import { restoredResult } from '../restore/result.js';
import { sourceOf } from '../snapshot/source.js';
import { firstStoreOf, notePassedOver } from './trust.js';
import { storeEnvironment } from '../app/connect/stores.js';
import type { FileOptions, FileSource } from './transfer.js';
import { isId } from '../runs/ids.js';
import { SNAPSHOT_WORDS } from '../snapshot/select.js';
import { canSign } from '../snapshot/tombstone.js';

const NO_LOCK =
  'warning: --no-lock: another restore, a backup or a prune can run at the same time, and the store does not record that this restore is unfinished. Pause the schedules, and if the restore is interrupted, run it again before the next backup. Marks of earlier restores stay.';

/**
 * `restore`: restores a snapshot, or a scope of it. On a terminal the plan is shown and confirmed; otherwise --yes is required.
 * `wanted` is an id, `latest`, a file, or undefined; `file` is the file that the snapshot with this id was made from.
 */
export async function restore(
  context: Context,
  wanted: string | undefined,
  options: RestoreOptions & FileOptions,
  file?: FileSource,
): Promise<number> {
  if (file === undefined && wanted !== undefined && (await isFile(wanted))) {
    return restoreFile(context, wanted, options);
  }
  if (file === undefined) assertNoFileOptions(wanted, options);
  const requested = requestOf(wanted, options);
  const isConfirmed = requested.dryRun || options.yes === true;
  if (!isConfirmed && !canPrompt())
    throw new AppError('usage', 'The restore cannot be confirmed: this is not a terminal', {
      hint: 'See what would be done with --dry-run, then give --yes.',
    });
  const env = storeEnvironment(context.env, options.replica);
  const noLock = options.lock === false;
  const replica = options.replica === true;
  const open: OpenApp = (memory) => {
    const inMemory = memory || noLock;
    // Encrypted snapshots are restored in this process if the functions have no identity.
    const local = inMemory || options.local === true || !functionsCanOpen(env);
    return fullApp(runEnvironment(env, local), {
      log: context.log,
      inMemory,
      ...(replica ? { firstStore: firstStoreOf(context) } : {}),
      ...file,
    });
  };
  const app = open(false);
  if (!requested.dryRun && !noLock && !canSign(app.ports.signer))
    throw new AppError('config', 'Only a public signing key is set, so this restore could not be recorded', {
      hint: 'Set BACKUP_SIGNING_KEY. A dry run does not need the key. With --no-lock --no-safety the restore is not recorded and cannot be undone.',
    });
  // Chosen once, so that the snapshot that was confirmed is restored, not one finished in the meantime.
  const own = sourceOf(app.ports.redis.host);
  const { id, passedOver } = await findSnapshot(app.ports, own, requested.snapshot, requested.at);
  notePassedOver(context, id, passedOver);
  const found = { ...requested, snapshot: id, at: null, confirm: id };
  const manifest = (await loadManifest(app.ports.store, id))?.manifest;
  const request = manifest === undefined ? found : await narrowToUndo(app.ports, found, manifest);
  if (request.dryRun) return showPlan(context, open, request);
  if (noLock) context.note(NO_LOCK);
  try {
    if (!isConfirmed && !(await confirmRestore(context, app, request))) return 0;
  } catch (error) {
    throw isWriteRefusal(error) ? notStartedError(error, requestForHints(request, file), replica) : error;
  }
  if (replica) context.note('note: the present state is saved in the second store: to undo, use --replica as well');
  return performRestore(context, app, request, { replica, file });
}

/** The request as hints repeat it: with the file's path, since the snapshot of a file is in no store. */
function requestForHints(request: RestoreRequest, file: FileSource | undefined): RestoreRequest {
  return file === undefined ? request : { ...request, snapshot: file.snapshotWords };
}

async function performRestore(
  context: Context,
  app: FullApp,
  request: RestoreRequest,
  { file, replica }: { readonly file: FileSource | undefined; readonly replica: boolean },
): Promise<number> {
  const { store } = app.ports;
  const again = requestForHints(request, file);
  const prepared = await prepareRestore(app.ports, request);
  const started = await startRestore(app.engine, prepared).catch((error: unknown) => {
    throw isWriteRefusal(error) ? notStartedError(error, again, replica) : error;
  });
  const ended = await carryOut(context, app, started).catch(async (error: unknown) => {
    throw isWriteRefusal(error) && started.started
      ? await stoppedError(store, started.run.id, error, again, replica)
      : error;
  });
  const run = { ...ended, result: await openResult(context.env, app.ports.encryptor, ended.result) };
  const undo = await undoOf(store, run, replica);
  const result = restoredResult(run.result);
  if (result !== null) context.print(reportView(result, undo));
  const scope = result === null ? null : vectorsOf(result);
  const reindexHere = result?.vectors.state === 'to-do' && app.reindex !== null && scope !== null;
  const vectors = reindexHere ? await reindexRestored(context, app, app.reindex, scope) : null;
  const error = restoreErrorOf(run, app.queued);
  // The error of a restore that has written already describes what the restore leaves behind.
  const restoreError =
    error === null || undo !== null ? error : interruptedRestoreError(error, again, null, run, replica);
  const vectorError = vectors?.error ?? null;
  if (restoreError !== null && vectorError !== null) {
    printError(vectorError, context);
  }
  return finishCommand(context, run, restoreError ?? vectorError, {
    ...(undo === null ? {} : { undo: undo.from }),
    ...(vectors === null ? {} : { reindexed: vectors.document }),
  });
}

/** The error of a restore whose state the store refused to write: its last record has the progress. */
async function stoppedError(
  store: ObjectStore,
  id: string,
  error: AppError,
  request: RestoreRequest,
  replica: boolean,
): Promise<AppError> {
  const run = (await loadRun(store, id)).record;
  return interruptedRestoreError(error, request, await undoOf(store, run, replica), run, replica);
}

/** Throws `usage` for options of a file without a file: `--database` does not select a target. */
function assertNoFileOptions(wanted: string | undefined, { database, takenAt, ttlUnit }: FileOptions): void {
  const [option] = Object.entries({ '--database': database, '--taken-at': takenAt, '--ttl-unit': ttlUnit }).flatMap(
    ([name, value]) => (value === undefined ? [] : [name]),
  );
  if (option === undefined) return;
  throw new AppError('usage', `${option} is for files, and ${JSON.stringify(wanted ?? 'latest')} is not a file`, {
    hint: `Omit ${option}, or give the path of a file. To restore into another database, use --target.`,
  });
}

/** `restore FILE`: turns the file into a snapshot within this process and restores that. */
async function restoreFile(context: Context, path: string, options: RestoreOptions & FileOptions): Promise<number> {
  assertTargetConfirmed(context, path, options);
  const { withSnapshotOfFile } = await import('./transfer.js');
  return withSnapshotOfFile(context, path, options, (id, source) =>
    restore(context, id, { ...options, local: true, fromSource: true }, source),
  );
}

/** Checks before reading a possibly large file that it may be restored into the target. */
function assertTargetConfirmed({ env }: Context, path: string, options: RestoreOptions): void {
  const name = JSON.stringify(path);
  if (options.at !== undefined) {
    throw new AppError('usage', 'Both a file and --at are given', {
      hint: 'Omit --at: a file holds a single point in time.',
    });
  }
  if (options.fromSource === true || options.target !== undefined) return;
  const host = hostOf(env, null) ?? 'the configured database';
  throw new AppError(
    'not-confirmed',
    `A file does not prove which database it comes from: ${name} would be restored into ${host}`,
    { hint: 'If this is intended, give --from-source. To restore the file into another database, give --target NAME.' },
  );
}

/** Matches arguments that can only be paths. */
const PATH = /[/\\]|\.(jsonl?|gz|age|rdb|resp|dump)$/i;

/** Whether the argument is a file. An id is always a snapshot, even if a file has this name. */
async function isFile(wanted: string): Promise<boolean> {
  if (isId(wanted) || (SNAPSHOT_WORDS as readonly string[]).includes(wanted)) return false;
  if (PATH.test(wanted)) return true;
  return stat(wanted).then(
    (found) => found.isFile(),
    () => false,
  );
}
