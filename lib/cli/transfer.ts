import { otherErasures } from '../app/app.js';
import { connect, type Replacements } from '../app/connect.js';
import { protectedDatabase, deploymentOf } from '../app/connect/database.js';
import { AppError } from '../errors.js';
import { openSnapshot } from '../inspect/open.js';
import { unsavedWords, shortfall, printable } from '../snapshot/ledger.js';
import { parseSelection, selectsAll, type SelectionInput } from '../soulcaster/selection.js';
import { selectionWords } from '../soulcaster/selection-words.js';
import { exportContent, findLacks, type ExportTally } from '../transfer/export.js';
import type { ExportFormat, TtlUnit } from '../transfer/formats.js';
import { writeOutFile, writeOutStream } from '../transfer/write/out-file.js';
import type { Context } from './context.js';
import { bytes, counted, count } from '../formats.js';
import { finish } from './output/report-error.js';
import { storeEnvironment } from '../app/connect/stores.js';
import { notePassedOver } from './trust.js';
import { refreshCatalog } from '../snapshot/catalog-object.js';
import { canSign } from '../snapshot/tombstone.js';
import { finalizeStaged, publishStaged } from '../transfer/publish.js';
import { withSnapshotBeside } from '../transfer/scratch-store.js';
import { quoted } from '../restore/scope-words.js';
import { snapshotSettings } from '../app/settings.js';
import { AHEAD_MS } from '../snapshot/order.js';
import { stageFile, type Staged } from '../transfer/stage.js';

export interface ExportOptions extends SelectionInput {
  readonly at?: string;
  readonly format: ExportFormat;
  readonly force?: boolean;
  readonly replica?: boolean;
}

const STDOUT = '-';

/** `export`: writes a snapshot, or selected keys, to one file. Messages go to the standard error. */
export async function exportFile(
  context: Context,
  wanted: string,
  path: string,
  options: ExportOptions,
): Promise<number> {
  const toStdout = path === STDOUT;
  if (toStdout) assertStdoutUsable(context);
  const selection = parseSelection(options);
  const env = storeEnvironment(context.env, options.replica);
  const ports = connect(env, ['clock', 'encryptor', 'signer', 'store'], { log: context.log });
  const own = protectedDatabase(env).source;
  const { foundDamaged, passedOver, snapshot } = await openSnapshot(ports, own, wanted, options.at ?? null);
  const { manifest } = snapshot;
  notePassedOver(context, manifest.id, passedOver);
  if (foundDamaged) context.note(`warning: snapshot ${manifest.id} was found damaged when it was last verified`);
  const tally: ExportTally = { keys: 0, lines: 0 };
  const other = otherErasures(context.env, context.log, options.replica === true, (why) =>
    context.note(`warning: the erasure list of the other store was not read: ${printable(why)}`),
  );
  const content = exportContent(snapshot, selection, options.format, tally, other);
  const signal = context.interrupt;
  const written = toStdout
    ? await writeOutStream(process.stdout, content, signal)
    : await writeOutFile(path, content, { force: options.force === true, encryptor: ports.encryptor, signal });
  const what = selectsAll(selection) ? '' : ` of ${printable(selectionWords(selection))}`;
  const where = toStdout ? 'the standard output' : printable(path);
  context.note(
    `Exported ${counted(tally.keys, 'key')}${what} from snapshot ${manifest.id} to ${where}: ${bytes(written.bytes)}.`,
  );
  if (tally.erased !== undefined) {
    context.note(`note: left out, since their user or project is on the erasure list: ${counted(tally.erased, 'key')}`);
  }
  const unsaved = unsavedWords(manifest);
  const error = manifest.state === 'complete' ? null : incompleteExportError(manifest.id, unsaved);
  // Keys left out on purpose are no error, but they are missing in the file too.
  if (error === null && unsaved !== null) context.note(`note: not in the export: ${unsaved}`);
  const document = {
    snapshot: manifest.id,
    file: path,
    format: options.format,
    keys: tally.keys,
    erased: tally.erased ?? 0,
    ...written,
    ...findLacks(manifest),
    deployment: deploymentOf(env),
  };
  return finish(context, document, error);
}

function incompleteExportError(id: string, unsaved: string | null): AppError {
  return new AppError(
    'incomplete',
    `Snapshot ${id} is incomplete, and so is the export: ${unsaved ?? 'its manifest says so'}`,
    {
      hint: `See \`npx soulcaster-backup show ${id} --env-file .env\`, or export another snapshot.`,
    },
  );
}

/** Throws `usage` for a terminal, which would interpret control characters in values, and for --json, which needs the same stream. */
function assertStdoutUsable({ json }: Context): void {
  if (json)
    throw new AppError('usage', 'The standard output cannot hold both the export and --json', {
      hint: 'Give a file, or omit --json.',
    });
  if (process.stdout.isTTY)
    throw new AppError('usage', 'The standard output is a terminal', {
      hint: 'Give a file, or pipe the export: `npx soulcaster-backup export latest - --env-file .env | gzip > dump.jsonl.gz`.',
    });
}

export interface ImportOptions extends FileOptions {
  readonly replica?: boolean;
}

/** `import`: stores a file as a snapshot, which is never `latest` and is restored by its id. */
export async function importFile(context: Context, path: string, options: ImportOptions): Promise<number> {
  const env = storeEnvironment(context.env, options.replica);
  const ports = connect(env, ['clock', 'log', 'encryptor', 'signer', 'store'], { log: context.log });
  if (!canSign(ports.signer))
    throw new AppError('config', 'Only a public signing key is set, so the import could not be signed', {
      hint: 'Set BACKUP_SIGNING_KEY. To restore the file without importing it: `npx soulcaster-backup restore FILE --from-source --env-file .env`.',
    });
  const staged = await readInputFile(context, path, options);
  try {
    const manifest = await publishStaged(ports, staged, context.interrupt);
    await refreshCatalog(ports);
    const { id, counts, ledger, parts, state } = manifest;
    const stored = parts.reduce((sum, part) => sum + part.stored.bytes, 0);
    const error = state === 'complete' ? null : incompleteFileError(path, manifest);
    context.print(
      [
        `Imported ${printable(path)} as snapshot ${id}: ${counted(counts.keys, 'key')}, ${bytes(stored)}, read back.`,
        'The snapshot is listed as imported and is never `latest`. To see what a restore would do:',
        `  npx soulcaster-backup restore ${id} --from-source --dry-run --env-file .env`,
      ].join('\n'),
    );
    const document = {
      snapshot: id,
      state,
      trust: 'imported',
      keys: counts.keys,
      storedBytes: stored,
      imported: manifest.imported,
      failed: ledger.failed.count,
      unsupported: ledger.unsupported.types ?? {},
      remarks: staged.remarks,
      deployment: deploymentOf(env),
    };
    return finish(context, document, error);
  } finally {
    await staged.store.discard();
  }
}

function incompleteFileError(path: string, manifest: Parameters<typeof shortfall>[0]): AppError {
  const { message } = shortfall(manifest);
  return new AppError('incomplete', `${JSON.stringify(path)} does not contain all keys: ${message}`, {
    hint: `See \`npx soulcaster-backup show ${manifest.id} --env-file .env\`. The imported keys can be restored with --mode merge or missing, and with --allow-incomplete if keys are missing that a snapshot can hold.`,
  });
}

/** The snapshot of a file: it is in no store, and printed commands name the file. */
export type FileSource = Required<Pick<Replacements, 'wrapStore' | 'snapshotWords'>>;

/** `restore FILE`: turns the file into a snapshot within this process, for the time of `work`. */
export async function withSnapshotOfFile<T>(
  context: Context,
  path: string,
  options: FileOptions,
  work: (id: string, source: FileSource) => Promise<T>,
): Promise<T> {
  const { clock, signer } = connect(context.env, ['clock', 'signer']);
  const staged = await readInputFile(context, path, options);
  try {
    const { id } = await finalizeStaged({ clock, signer }, staged);
    return await work(id, {
      wrapStore: (store) => withSnapshotBeside(store, staged.store, id),
      snapshotWords: `${quoted(path)}${fileOptionsText(options)}`,
    });
  } finally {
    await staged.store.discard();
  }
}

/** Options for reading a file. */
export interface FileOptions {
  readonly takenAt?: string;
  readonly ttlUnit?: TtlUnit;
  readonly database?: number;
}

const REPORT_EVERY_KEYS = 100_000;

/** Reads and checks a file, and prints progress and remarks. The caller has to discard the result. */
async function readInputFile(context: Context, path: string, options: FileOptions): Promise<Staged> {
  const ports = connect(context.env, ['clock', 'encryptor']);
  const { partBytes, skipTypes, tool } = snapshotSettings(context.env);
  const takenAt = options.takenAt === undefined ? null : Date.parse(options.takenAt);
  // Remaining times would count from a future time, so keys would live too long.
  if (takenAt !== null && takenAt > ports.clock.now() + AHEAD_MS) {
    throw new AppError('usage', `The time of --taken-at, ${options.takenAt ?? ''}, is in the future`, {
      hint: 'Give the time at which the dump was made, or omit --taken-at.',
    });
  }
  let reported = 0;
  context.note(`reading ${printable(path)}: nothing is written before the whole file was checked`);
  const staged = await stageFile(
    ports,
    {
      path,
      takenAt,
      ttlUnit: options.ttlUnit ?? 'seconds',
      database: options.database ?? null,
    },
    {
      partBytes,
      skipTypes,
      tool,
      owner: protectedDatabase(context.env).source,
      signal: context.interrupt,
      onProgress(keys) {
        if (keys < reported + REPORT_EVERY_KEYS) return;
        reported = keys;
        context.note(`  ${count(keys)} keys read`);
      },
    },
  );
  const { body, remarks } = staged;
  context.note(`  ${counted(body.counts.keys, 'key')}, ${body.imported?.format ?? ''}`);
  for (const remark of remarks) context.note(`note: ${remark}`);
  return staged;
}

/** The options as command-line text, with a space before each. */
function fileOptionsText({ database, takenAt, ttlUnit }: FileOptions): string {
  return [
    ...(takenAt === undefined ? [] : [` --taken-at ${takenAt}`]),
    ...(ttlUnit === undefined || ttlUnit === 'seconds' ? [] : [` --ttl-unit ${ttlUnit}`]),
    ...(database === undefined ? [] : [` --database ${database}`]),
  ].join('');
}
