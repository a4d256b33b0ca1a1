import { otherErasures } from '../app/app.js';
import { connect } from '../app/connect.js';
import { protectedDatabase, deploymentOf } from '../app/connect/database.js';
import { AppError, exitCodeOf } from '../errors.js';
import { openSnapshot } from '../inspect/open.js';
import { unsavedWords } from '../snapshot/ledger.js';
import { parseSelection, selectsAll, type SelectionInput } from '../soulcaster/selection.js';
import { selectionWords } from '../soulcaster/selection-words.js';
import { exportContent, findLacks, type ExportTally } from '../transfer/export.js';
import type { ExportFormat } from '../transfer/formats.js';
import { writeOutFile, writeOutStream } from '../transfer/write/out-file.js';
import type { Context } from './context.js';
import { bytes, counted, printable } from './output/format.js';
import { errorDocument, printError } from './output/report-error.js';
import { storeEnvironment } from './store-choice.js';
import { notePassedOver } from './trust.js';

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
  const error = manifest.state === 'complete' ? null : incompleteError(manifest.id, unsaved);
  // Keys left out on purpose are no error, but they are missing in the file too.
  if (error === null && unsaved !== null) context.note(`note: not in the export: ${unsaved}`);
  if (error !== null) printError(error, { env: context.env, err: (text) => context.note(text) });
  context.document({
    snapshot: manifest.id,
    file: path,
    format: options.format,
    keys: tally.keys,
    erased: tally.erased ?? 0,
    ...written,
    ...findLacks(manifest),
    deployment: deploymentOf(env),
    error: error === null ? null : errorDocument(error).error,
  });
  return error === null ? 0 : exitCodeOf(error.code);
}

function incompleteError(id: string, unsaved: string | null): AppError {
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
      hint: 'Give a file, or pipe the export: `... export latest - | gzip > dump.jsonl.gz`.',
    });
}
