import { AppError } from '../errors.js';
import { chooseRecords, gatherFacts, recordsOf } from '../inspect/records.js';
import type { OpenSnapshot } from '../inspect/open.js';
import { erasedKeys, withoutErased, type ErasedKeys } from '../restore/erased.js';
import { loadErasedIds, type OtherErasures } from '../snapshot/erasures.js';
import type { Manifest } from '../snapshot/manifest.js';
import { encodeLine, type RecordLine } from '../snapshot/record.js';
import type { SourceRecord } from '../snapshot/source-records.js';
import { listFacts, mergeFacts } from '../soulcaster/project-scope.js';
import { SELECT_ALL, selectsAll, type Selection } from '../soulcaster/selection.js';
import { selectionWords } from '../soulcaster/selection-words.js';
import type { Text } from '../soulcaster/text.js';
import type { ExportFormat } from './formats.js';
import { EXPORT_VERSION, MARK } from './read/records.js';
import { BodyBuilder, recordCommands, encodeResp } from './write/commands.js';

/** Counts of an export; complete when its content has ended. */
export interface ExportTally {
  keys: number;
  lines: number;
  /** Keys that are left out since their user or project is on the erasure list; absent when none are. */
  erased?: number;
}

/**
 * The content of an export, generated while it is read: one part is in memory at a time. Superseded records are left out,
 * and a set that several projects share holds only the selected ones. Data on the erasure list are left out, as by a restore,
 * since the file could bring them back; `other` is the other store, which may have another list. Throws `not-found` when the
 * selection matches no key of the snapshot, `not-restorable` when all that it matches is erased, `damaged` at a part that does
 * not match the manifest, and the errors of `loadErasures`.
 */
export async function* exportContent(
  snapshot: OpenSnapshot,
  selection: Selection,
  format: ExportFormat,
  tally: ExportTally,
  other: OtherErasures | null = null,
): AsyncGenerator<Buffer> {
  const records = selectRecords(snapshot, selection, tally, await erasedIn(snapshot, other));
  if (format === 'jsonl') yield* joinChunks(jsonLines(snapshot.manifest, selection, records, tally));
  else if (format === 'resp') yield* joinChunks(respCommands(records));
  else yield* joinChunks(pipelineBodies(records));
  if (tally.keys > 0 || selectsAll(selection)) return;
  if (tally.erased !== undefined) {
    throw new AppError(
      'not-restorable',
      `On the erasure list, so no file takes it out: ${selectionWords(selection)}. Nothing was written`,
      {
        hint: '`npx soulcaster-backup erasures list --env-file .env` says why and since when; `erasures withdraw` takes an entry back.',
      },
    );
  }
  throw new AppError(
    'not-found',
    `Snapshot ${snapshot.manifest.id} holds no key of ${selectionWords(selection)}. Nothing was written`,
    {
      hint: `See what it holds: \`npx soulcaster-backup show ${snapshot.manifest.id} --env-file .env\`.`,
    },
  );
}

/** What a snapshot lacks; its exports lack the same. */
export function findLacks({ ledger, names, state }: Pick<Manifest, 'ledger' | 'names' | 'state'>) {
  const lacks = ledger.failed.count + (names?.unexplained ?? 0);
  const { count, types = {} } = ledger.unsupported;
  const known = Object.values(types).reduce((sum, each) => sum + each, 0);
  // Manifests of earlier versions have only the total of all types.
  return { state, lacks, unsupported: known === count ? types : { unknown: count } };
}

interface SelectedRecord extends SourceRecord {
  /** Whether the record is a shared set, reduced to the selected members. */
  readonly shared: boolean;
}

async function* selectRecords(
  snapshot: OpenSnapshot,
  selection: Selection,
  tally: ExportTally,
  erased: ErasedKeys | null,
): AsyncGenerator<SelectedRecord> {
  const { matches, parts } = await chooseRecords(snapshot, selection);
  const projects = new Set<Text>(selection.projects);
  for await (const { key, known, ...stored } of recordsOf(snapshot, parts)) {
    const belonging = matches(key, known);
    if (belonging === 'other') continue;
    const left = erased?.mayList(known) === true ? withoutErased(stored, erased) : stored;
    const shared = belonging !== 'owned' && left.first.t === 'set';
    const record = shared ? keepMembersOf(left, projects) : left;
    const isEmptied = left.first !== stored.first && record.rest === null && isEmptySet(record.first);
    if (isEmptied || erased?.has(known) === true) {
      tally.erased = (tally.erased ?? 0) + 1;
      continue;
    }
    tally.keys += 1;
    yield { ...record, shared };
  }
}

function keepMembersOf({ first, rest }: SourceRecord, projects: ReadonlySet<Text>): SourceRecord {
  return {
    first: keepMembers(first, projects),
    rest: rest === null ? null : keepMembersOfLines(rest, projects),
  };
}

function isEmptySet({ t, v }: RecordLine): boolean {
  return t === 'set' && (v as readonly Text[]).length === 0;
}

/** The keys of the snapshot that are on the erasure list; null when it has no active entry. */
async function erasedIn(snapshot: OpenSnapshot, other: OtherErasures | null): Promise<ErasedKeys | null> {
  const ids = await loadErasedIds(snapshot, other);
  if (ids.users.length + ids.projects.length === 0) return null;
  const { clusters, jobs } = mergeFacts(
    ids.projects.length === 0
      ? []
      : [...(await gatherFacts(ids.projects, recordsOf(snapshot))).values()].map(listFacts),
  );
  return erasedKeys({ ...ids, jobs: [...ids.jobs, ...jobs], clusters: [...ids.clusters, ...clusters], facts: [] });
}

function keepMembers(line: RecordLine, projects: ReadonlySet<Text>): RecordLine {
  return { ...line, v: (line.v as readonly Text[]).filter((member) => projects.has(member)) };
}

async function* keepMembersOfLines(
  lines: AsyncIterable<RecordLine>,
  projects: ReadonlySet<Text>,
): AsyncGenerator<RecordLine> {
  for await (const line of lines) yield keepMembers(line, projects);
}

async function* jsonLines(
  manifest: Manifest,
  selection: Selection,
  records: AsyncIterable<SelectedRecord>,
  tally: ExportTally,
): AsyncGenerator<string> {
  const { id, label, source, window } = manifest;
  const head = {
    [MARK]: 'export',
    formatVersion: EXPORT_VERSION,
    snapshot: id,
    source,
    ...(label === undefined ? {} : { label }),
    window,
    ...findLacks(manifest),
    selection: isPart(manifest) ? SELECT_ALL : selectsAll(selection) ? null : selection,
  };
  yield `${JSON.stringify(head)}\n`;
  for await (const { first, rest } of records) {
    tally.lines += 1;
    yield encodeLine(first);
    for await (const line of rest ?? []) {
      tally.lines += 1;
      yield encodeLine(line);
    }
  }
  yield `${JSON.stringify({ [MARK]: 'end', keys: tally.keys, lines: tally.lines })}\n`;
}

/**
 * Whether the snapshot itself holds only a selection: a safety snapshot of some projects, or the import of an export with a
 * selection. Replacing data with its export could remove the rest, so the export's selection is marked as a part.
 */
function isPart({ imported, partial }: Manifest): boolean {
  return partial === true || imported?.selection !== undefined;
}

async function* respCommands(records: AsyncIterable<SelectedRecord>): AsyncGenerator<Buffer> {
  for await (const { shared, ...record } of records)
    for await (const command of recordCommands(record, { counters: true }, shared)) yield encodeResp(command);
}

async function* pipelineBodies(records: AsyncIterable<SelectedRecord>): AsyncGenerator<string> {
  const bodies = new BodyBuilder();
  for await (const { shared, ...record } of records) {
    for await (const command of recordCommands(record, { counters: false }, shared)) {
      const line = bodies.add(command);
      if (line !== null) yield line;
    }
  }
  yield bodies.end() ?? '';
}

const CHUNK_BYTES = 256 * 1024;

async function* joinChunks(pieces: AsyncIterable<string | Buffer>): AsyncGenerator<Buffer> {
  let open: Buffer[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    const next = typeof piece === 'string' ? Buffer.from(piece) : piece;
    open.push(next);
    bytes += next.length;
    if (bytes < CHUNK_BYTES) continue;
    yield Buffer.concat(open);
    [open, bytes] = [[], 0];
  }
  if (bytes > 0) yield Buffer.concat(open);
}
