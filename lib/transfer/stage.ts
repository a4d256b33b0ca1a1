import { selectsAll, type Selection } from '../soulcaster/selection.js';
import { selectionWords } from '../soulcaster/selection-words.js';
import { AppError, toAppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { Encryptor } from '../ports/crypto.js';
import { newId } from '../runs/ids.js';
import { checkPart } from '../snapshot/check-part.js';
import { countIndex, noCounts } from '../snapshot/counts.js';
import { duplicateLines, findDuplicates } from '../snapshot/duplicates.js';
import { addToLedger, refusedTypes } from '../snapshot/ledger.js';
import {
  FORMAT_VERSION,
  sha256,
  type Imported,
  type ManifestBody,
  type OpenLedger,
  type Part,
} from '../snapshot/manifest.js';
import { indexSection, writeKeyIndex } from '../snapshot/key-index.js';
import { indexReader } from '../snapshot/part-index.js';
import { keyOf, startsRecord } from '../snapshot/record.js';
import { openSink, type PartSink } from '../snapshot/scan/sink.js';
import { faultError, FileFault } from './fault.js';
import { openFile, type OpenFile } from './read/index.js';
import type { TtlUnit } from './formats.js';
import type { ExportHead, Item } from './read/items.js';
import { scratchStore, type ScratchStore } from './scratch-store.js';

export interface StageRequest {
  readonly path: string;
  /** When the dump was made, in milliseconds since the epoch: relative expiries count from here. Null: now. */
  readonly takenAt: number | null;
  readonly ttlUnit: TtlUnit;
  /** The database to read, when the file has several. */
  readonly database: number | null;
}

interface StageSettings {
  /** Plain bytes after which a part is closed. */
  readonly partBytes: number;
  readonly skipTypes: readonly string[];
  readonly tool: string;
  /** The source id of the database that this deployment protects; null when none is configured. */
  readonly owner: string | null;
  /** Stops the reading when aborted; the reason is thrown. */
  readonly signal: AbortSignal;
  /** Called from time to time with the number of keys read so far. */
  readonly onProgress: (keys: number) => void;
}

/** A file as a snapshot in a separate store. The whole file was read and checked. */
export interface Staged {
  readonly store: ScratchStore;
  readonly body: ManifestBody;
  /** The sections of the snapshot's key index, one per part. */
  readonly sections: readonly Buffer[];
  readonly head: ExportHead | null;
  /** Sentences for the operator. */
  readonly remarks: readonly string[];
}

/**
 * Reads a file to its end and writes it as a snapshot into a scratch store, which the caller discards. An error names the
 * line or offset of the fault in the file; then no files are left.
 */
export async function stageFile(
  ports: { readonly clock: Clock; readonly encryptor: Encryptor },
  request: StageRequest,
  settings: StageSettings,
): Promise<Staged> {
  const now = ports.clock.now();
  const from = request.takenAt ?? now;
  const shown = request.path;
  const file = await openFile(request.path, ports.encryptor, {
    from,
    ttlUnit: request.ttlUnit,
    database: request.database,
  }).catch((error: unknown) => {
    throw toFileError(shown, error);
  });
  const store = await scratchStore(() => ports.clock.now());
  try {
    return await stage(store, file, now, from, { ...settings, database: request.database });
  } catch (error) {
    await store.discard();
    throw toFileError(shown, error);
  } finally {
    await file.items.return(undefined);
    await file.close();
  }
}

function toFileError(path: string, error: unknown): unknown {
  return error instanceof FileFault ? faultError(JSON.stringify(path), error) : error;
}

async function stage(
  store: ScratchStore,
  file: OpenFile,
  now: number,
  from: number,
  settings: StageSettings & Pick<StageRequest, 'database'>,
): Promise<Staged> {
  const id = newId(now);
  const sink = openSink({ store, encryptor: PLAIN, snapshot: id, fence: 1, firstIndex: 0 });
  const parts: Part[] = [];
  const found = addExportLacks(
    // A part may still be written when a fault is found in the file; without the flush it would appear after the removal.
    await writeParts(sink, file.items, parts, settings).catch(async (error: unknown) => {
      await sink.flush().catch(() => undefined);
      throw error;
    }),
    file.facts.head,
  );
  const read = indexReader(store, id, parts);
  const duplicates = await findDuplicates(parts, read);
  const counts = noCounts();
  const sections: Buffer[] = [];
  for (const part of parts.keys()) {
    const [index, duplicatesInPart] = [await read(part), duplicateLines(duplicates, part)];
    countIndex(counts, index, duplicatesInPart);
    sections.push(indexSection(index, duplicatesInPart));
  }
  assertKeys(file, counts.keys, found.ledger, settings.database);
  await assertReadBack(store, id, parts);
  const { head, takenAt, remarks } = file.facts;
  const to = new Date(takenAt ?? from).toISOString();
  const body: ManifestBody = {
    formatVersion: FORMAT_VERSION,
    id,
    state: isIncomplete(found, settings) ? 'incomplete' : 'complete',
    tool: settings.tool,
    createdAt: new Date(now).toISOString(),
    window: { from: head?.window.from ?? to, to },
    source: sha256(`file ${file.sha256()}`),
    ...(settings.owner === null ? {} : { owner: settings.owner }),
    imported: describeImport(file, settings.database),
    dbsize: { before: counts.keys, after: counts.keys },
    parts,
    keyIndex: await writeKeyIndex({ store, encryptor: PLAIN }, { id, fence: 1 }, sections),
    counts,
    ledger: { ...found.ledger, saved: counts.keys, unsupported: { ...found.ledger.unsupported, types: found.types } },
    doubles: duplicates,
    fieldExpiry: file.format === 'json' ? 'none' : 'read',
    spent: { requests: 0, commands: 0, bytesSent: 0, bytesReceived: 0, estimatedUsd: 0 },
    recipients: [],
    readBackAt: new Date(now).toISOString(),
    previous: null,
  };
  const repeated = duplicates.length - found.takenBack;
  return {
    store,
    body,
    sections,
    head,
    remarks: [
      ...remarks,
      ...(repeated > 0 ? [`keys that are in the file twice: ${repeated}; the later one counts`] : []),
    ],
  };
}

/** Parts of a scratch store are not encrypted: its objects are. */
const PLAIN: Encryptor = {
  suffix: '',
  recipients: [],
  canOpen: true,
  encrypt: (plain) => Promise.resolve(plain),
  open: (encrypted) => Promise.resolve(encrypted),
  encryptStream: (plain) => Promise.resolve(plain),
  openStream: (encrypted) => Promise.resolve(encrypted),
};

interface StagedItems {
  readonly ledger: OpenLedger;
  readonly types: Record<string, number>;
  readonly takenBack: number;
}

const KEYS_PER_REPORT = 1000;

async function writeParts(
  sink: PartSink,
  items: AsyncGenerator<Item>,
  parts: Part[],
  { onProgress, partBytes, signal }: StageSettings,
): Promise<StagedItems> {
  const emptyList = () => ({ count: 0, keys: [] });
  let ledger: OpenLedger = {
    saved: 0,
    expiredMeanwhile: 0,
    changedMeanwhile: emptyList(),
    unsupported: emptyList(),
    failed: emptyList(),
  };
  const types = new Map<string, number>();
  const stored = (part: Part): Promise<void> => Promise.resolve(void parts.push(part));
  let [keys, takenBack] = [0, 0];
  for await (const each of items) {
    if ('lost' in each) {
      const type = each.reason.replace(/^type /, '');
      if (each.lost === 'unsupported') types.set(type, (types.get(type) ?? 0) + 1);
      ledger = await addToLedger(PLAIN, ledger, each.lost, each.key ?? Buffer.alloc(0), each.reason);
      continue;
    }
    const { line } = each;
    const starts = startsRecord(line);
    if (starts && sink.openBytes >= partBytes) await sink.cut(stored);
    else if (!starts && sink.openBytes >= 2 * partBytes) await sink.cut(stored);
    if (line.void === true) takenBack += 1;
    const role = line.void === true ? 'voids' : starts ? ({ begins: keyOf(line), type: line.t } as const) : 'continues';
    const room = sink.write(line, role);
    if (room !== undefined) await room;
    if (starts && ++keys % KEYS_PER_REPORT === 0) {
      if (signal.aborted) throw toAppError(signal.reason);
      onProgress(keys);
    }
  }
  onProgress(keys);
  await sink.cut(stored);
  await sink.flush();
  return { ledger, types: Object.fromEntries(types), takenBack };
}

/** The disk of a temporary folder may be faulty: the parts are read back before they are used. */
async function assertReadBack(store: ScratchStore, id: string, parts: readonly Part[]): Promise<void> {
  for (const part of parts) {
    const { findings } = await checkPart({ store, encryptor: PLAIN }, id, part, parts);
    if (findings[0] === undefined) continue;
    throw new AppError(
      'store-unavailable',
      'The temporary folder did not give back what was written to it. Nothing was written',
      {
        hint: 'Set TMPDIR to a folder on another disk.',
      },
    );
  }
}

/** Adds the keys that the exported snapshot lacked: the file lacks them as well. */
function addExportLacks(found: StagedItems, head: ExportHead | null): StagedItems {
  if (head === null) return found;
  const { failed, unsupported } = found.ledger;
  const types = { ...found.types, ...head.unsupported };
  const more = Object.values(head.unsupported).reduce((sum, count) => sum + count, 0);
  const ledger = {
    ...found.ledger,
    failed: { ...failed, count: failed.count + head.lacks },
    unsupported: { ...unsupported, count: unsupported.count + more },
  };
  return { ...found, ledger, types };
}

/** Refuses a file without keys: a restore would write nothing, and in mode replace would remove everything. An RDB file or an export may be empty. */
function assertKeys({ format }: OpenFile, keys: number, ledger: OpenLedger, database: number | null): void {
  if (keys + ledger.failed.count + ledger.unsupported.count > 0) return;
  if (database !== null)
    throw new FileFault('usage', '', `it has no key of database ${database}`, 'Give the number of another database.');
  if (format === 'json' || format === 'resp') throw new FileFault('invalid', '', 'it holds no keys', HINT);
}

const HINT = 'Check that the dump was made from the right database and is complete.';

function isIncomplete({ ledger, types }: StagedItems, { skipTypes }: StageSettings): boolean {
  return (
    ledger.failed.count > 0 || refusedTypes({ unsupported: { ...ledger.unsupported, types } }, skipTypes).length > 0
  );
}

function describeImport(
  { facts, format, layers, name, sha256: sum, size }: OpenFile,
  database: number | null,
): Imported {
  const selection = facts.head?.selection ?? null;
  // The name may hold any characters, and is printed and stored.
  return {
    file: name.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 128),
    bytes: size,
    sha256: sum(),
    ...(database === null ? {} : { database }),
    format,
    layers: [...layers],
    ...(selection === null ? {} : describeSelection(selection)),
  };
}

/** A selection that selects all means an export of a snapshot that holds only a part of a database. */
function describeSelection(selection: Selection): Pick<Imported, 'selection' | 'selected'> {
  if (selectsAll(selection)) return { selection: 'of a snapshot that is a part itself' };
  return { selection: selectionWords(selection), selected: JSON.stringify(selection) };
}
