import { AppError } from '../errors.js';
import { chooseRecords, recordsOf } from '../inspect/records.js';
import type { OpenSnapshot } from '../inspect/open.js';
import type { Manifest } from '../snapshot/manifest.js';
import { encodeLine, type RecordLine } from '../snapshot/record.js';
import type { SourceRecord } from '../snapshot/source-records.js';
import { SELECT_ALL, selectsAll, type Selection } from '../soulcaster/selection.js';
import { selectionWords } from '../soulcaster/selection-words.js';
import type { Text } from '../soulcaster/text.js';
import type { ExportFormat } from './formats.js';
import { EXPORT_VERSION, MARK } from './read/records.js';
import { BodyBuilder, recordCommands, respCommand } from './write/commands.js';

/** What went into an export; complete when its content has ended. */
export interface ExportTally {
  keys: number;
  lines: number;
}

/**
 * The content of an export, made while it is read: in memory is a part at a time. Records that a snapshot passes over are
 * not in it, and of a set that several projects share only the selected ones are. Throws `not-found` when the selection
 * means no key of the snapshot, and `damaged` at a part that is not as its manifest says.
 */
export async function* exportContent(
  snapshot: OpenSnapshot,
  selection: Selection,
  format: ExportFormat,
  tally: ExportTally,
): AsyncGenerator<Buffer> {
  const records = selected(snapshot, selection, tally);
  if (format === 'jsonl') yield* chunked(jsonLines(snapshot.manifest, selection, records, tally));
  else if (format === 'resp') yield* chunked(respCommands(records));
  else yield* chunked(pipelineBodies(records));
  if (tally.keys > 0 || selectsAll(selection)) return;
  throw new AppError(
    'not-found',
    `Snapshot ${snapshot.manifest.id} holds no key of ${selectionWords(selection)}. Nothing was written`,
    {
      hint: `See what it holds: \`npx soulcaster-backup show ${snapshot.manifest.id} --env-file .env\`.`,
    },
  );
}

/** What a snapshot lacks, and with it whatever is made of it. */
export function lackOf({ ledger, names, state }: Pick<Manifest, 'ledger' | 'names' | 'state'>) {
  const lacks = ledger.failed.count + (names?.unexplained ?? 0);
  const { count, types = {} } = ledger.unsupported;
  const known = Object.values(types).reduce((sum, each) => sum + each, 0);
  // Manifests of earlier versions count the types only together.
  return { state, lacks, unsupported: known === count ? types : { unknown: count } };
}

interface Chosen extends SourceRecord {
  /** Whether it is a set of which the selected members alone are here. */
  readonly shared: boolean;
}

async function* selected(snapshot: OpenSnapshot, selection: Selection, tally: ExportTally): AsyncGenerator<Chosen> {
  const { matches, parts } = await chooseRecords(snapshot, selection);
  const projects = new Set<Text>(selection.projects);
  for await (const { first, key, known, rest } of recordsOf(snapshot, parts)) {
    const belonging = matches(key, known);
    if (belonging === 'other') continue;
    tally.keys += 1;
    if (belonging === 'owned' || first.t !== 'set') yield { first, rest, shared: false };
    else yield { first: only(first, projects), rest: rest === null ? null : onlyOf(rest, projects), shared: true };
  }
}

function only(line: RecordLine, projects: ReadonlySet<Text>): RecordLine {
  return { ...line, v: (line.v as readonly Text[]).filter((member) => projects.has(member)) };
}

async function* onlyOf(lines: AsyncIterable<RecordLine>, projects: ReadonlySet<Text>): AsyncGenerator<RecordLine> {
  for await (const line of lines) yield only(line, projects);
}

async function* jsonLines(
  manifest: Manifest,
  selection: Selection,
  records: AsyncIterable<Chosen>,
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
    ...lackOf(manifest),
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
 * Whether the snapshot itself lacks what nobody selected: a safety snapshot of some projects, or the import of an export of a
 * selection. To replace anything by an export of it could remove the rest, so that its selection names nothing.
 */
function isPart({ imported, partial }: Manifest): boolean {
  return partial === true || imported?.selection !== undefined;
}

async function* respCommands(records: AsyncIterable<Chosen>): AsyncGenerator<Buffer> {
  for await (const { shared, ...record } of records)
    for await (const command of recordCommands(record, { counters: true }, shared)) yield respCommand(command);
}

async function* pipelineBodies(records: AsyncIterable<Chosen>): AsyncGenerator<string> {
  const bodies = new BodyBuilder();
  for await (const { shared, ...record } of records) {
    for await (const command of recordCommands(record, { counters: false }, shared)) {
      const line = bodies.add(command);
      if (line !== null) yield line;
    }
  }
  yield bodies.end() ?? '';
}

const CHUNK = 256 * 1024;

async function* chunked(pieces: AsyncIterable<string | Buffer>): AsyncGenerator<Buffer> {
  let open: Buffer[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    const next = typeof piece === 'string' ? Buffer.from(piece) : piece;
    open.push(next);
    bytes += next.length;
    if (bytes < CHUNK) continue;
    yield Buffer.concat(open);
    [open, bytes] = [[], 0];
  }
  if (bytes > 0) yield Buffer.concat(open);
}
