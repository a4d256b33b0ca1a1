import { stat } from 'node:fs/promises';
import { fullApp, type FullApp } from '../app/app.js';
import { functionsCanOpen } from '../app/settings.js';
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
import { canPrompt } from './prompt.js';
import { isAgreed, showPlan, type OpenApp } from './restore/dry-run.js';
import { finish, openResult } from './restore/ending.js';
import { brokenOff, errorOf, notBegun } from './restore/failure.js';
import { explain } from './output/report-error.js';
import { reindexRestored } from './reindex/after-restore.js';
import { reportView, vectorsOf } from './restore/report-view.js';
import { requestOf, type RestoreOptions } from './restore/request.js';
import { restoredResult } from '../restore/result.js';
import { undoOf } from './restore/undo.js';
import { erasuresUnreadWords, notMarkedWords } from './restore/words.js';
import { sourceOf } from '../snapshot/source.js';
import { notePassedOver } from './trust.js';
import { storeEnvironment } from './store-choice.js';
import type { FileOptions } from './read-file.js';
import type { Replacements } from '../app/connect.js';
import { isId } from '../runs/ids.js';
import { SNAPSHOT_WORDS } from '../snapshot/select.js';

const NO_LOCK =
  'warning: --no-lock: nothing keeps another restore, a backup or a prune from working at the same time, and no mark in the store says that this restore is unfinished: pause the schedules, and if it breaks off, start it again before the next backup. Marks of earlier restores stay.';

/**
 * `restore`: brings a snapshot back, all of it or a scope of it. Somebody at a terminal is shown what would be done, and
 * asked; elsewhere it takes --yes. `wanted` is an id, `latest`, a file, or undefined when it was left out;
 * `file`: what the snapshot of that id was made of.
 */
export async function restore(
  context: Context,
  wanted: string | undefined,
  options: RestoreOptions & FileOptions,
  file?: FileSource,
): Promise<number> {
  if (file === undefined && wanted !== undefined && (await isFile(wanted))) {
    return (await import('./restore/file.js')).restoreFile(context, wanted, options);
  }
  if (file === undefined) demandNoFileOptions(wanted, options);
  const asked = requestOf(wanted, options);
  const mayGoOn = asked.dryRun || options.yes === true;
  if (!mayGoOn && !canPrompt()) throw nobodyThere();
  const env = storeEnvironment(context.env, options.replica);
  const noLock = options.lock === false;
  const replica = options.replica === true;
  const open: OpenApp = (memory) => {
    const inMemory = memory || noLock;
    const onNotMarked = (why: string): void => context.note(notMarkedWords(why));
    const onErasuresUnread = (why: string): void => context.note(erasuresUnreadWords(why));
    const first = replica ? { firstStore: { env: context.env, onNotMarked, onErasuresUnread } } : {};
    // What is encrypted is opened here: the functions have no identity for it.
    const local = inMemory || options.local === true || !functionsCanOpen(env);
    return fullApp(runEnvironment(env, local), {
      log: context.log,
      inMemory,
      ...first,
      ...file,
    });
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
    throw refusesWrites(error) ? notBegun(error, named(request, file), replica) : error;
  }
  if (replica) context.note('what is saved first goes to the second store: undo with --replica as well');
  return perform(context, app, request, { replica, file });
}

/** The request as errors tell how to start it again: by the file, where its snapshot is in no store. */
function named(request: RestoreRequest, file: FileSource | undefined): RestoreRequest {
  return file === undefined ? request : { ...request, snapshot: file.words };
}

async function perform(
  context: Context,
  app: FullApp,
  request: RestoreRequest,
  { file, replica }: { readonly file: FileSource | undefined; readonly replica: boolean },
): Promise<number> {
  const { store } = app.ports;
  const again = named(request, file);
  const prepared = await prepareRestore(app.ports, request);
  const started = await startRestore(app.engine, prepared).catch((error: unknown) => {
    throw refusesWrites(error) ? notBegun(error, again, replica) : error;
  });
  const ended = await carryOut(context, app, started, replica).catch(async (error: unknown) => {
    throw refusesWrites(error) && started.started ? await stopped(store, started.run.id, error, again, replica) : error;
  });
  const run = { ...ended, result: await openResult(context.env, app.ports.encryptor, ended.result) };
  const undo = await undoOf(store, run, replica);
  const result = restoredResult(run.result);
  if (result !== null) context.print(reportView(result, undo));
  const scope = result === null ? null : vectorsOf(result);
  const goesOn = result?.vectors.state === 'to-do' && app.reindex !== null && scope !== null;
  const vectors = goesOn ? await reindexRestored(context, app, app.reindex, scope) : null;
  const error = errorOf(run, app.queued);
  // The record of one that has written says itself what it leaves.
  const told = error === null || undo !== null ? error : brokenOff(error, again, null, run, replica);
  const unmade = vectors?.error ?? null;
  if (told !== null && unmade !== null) explain(unmade, { env: context.env, err: (text) => context.note(text) });
  return finish(context, run, told ?? unmade, {
    ...(undo === null ? {} : { undo: undo.from }),
    ...(vectors === null ? {} : { reindexed: vectors.document }),
  });
}

/** The error of a restore whose state the store did not take any more: its record says how far it had come. */
async function stopped(
  store: ObjectStore,
  id: string,
  error: AppError,
  request: RestoreRequest,
  replica: boolean,
): Promise<AppError> {
  const run = (await loadRun(store, id)).record;
  return brokenOff(error, request, await undoOf(store, run, replica), run, replica);
}

function publicKeyAlone(): AppError {
  return new AppError('config', 'Only a public signing key is set, so this restore could not be recorded', {
    hint: 'Set BACKUP_SIGNING_KEY. A dry run needs none; with --no-lock --no-safety it restores without a record and without a way back.',
  });
}

/** Throws `usage` for options that say how a file is read, where there is none: `--database` chooses no target. */
function demandNoFileOptions(wanted: string | undefined, { database, takenAt, ttlUnit }: FileOptions): void {
  const [option] = Object.entries({ '--database': database, '--taken-at': takenAt, '--ttl-unit': ttlUnit }).flatMap(
    ([name, value]) => (value === undefined ? [] : [name]),
  );
  if (option === undefined) return;
  throw new AppError('usage', `${option} says how a file is read, and ${JSON.stringify(wanted ?? 'latest')} is none`, {
    hint: `Leave ${option} out, or give the path of a file. Another database is named with --target.`,
  });
}

function nobodyThere(): AppError {
  return new AppError('usage', 'Nobody is here to confirm the restore: this is no terminal', {
    hint: 'Look at what it would do with --dry-run, then give --yes.',
  });
}

/** A snapshot that was made of a file. */
type FileSource = Required<Pick<Replacements, 'over' | 'words'>>;

/** What only a path can have. */
const PATH = /[/\\]|\.(jsonl?|gz|age|rdb|resp|dump)$/i;

/** Whether a file is meant, and no snapshot: an id is one even where there is a file of that name. */
async function isFile(wanted: string): Promise<boolean> {
  if (isId(wanted) || (SNAPSHOT_WORDS as readonly string[]).includes(wanted)) return false;
  if (PATH.test(wanted)) return true;
  return stat(wanted).then(
    (found) => found.isFile(),
    () => false,
  );
}
