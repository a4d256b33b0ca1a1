import { createGzip } from 'node:zlib';
import { Readable } from 'node:stream';
import { functionDeadline, secondErasures } from '../app/app.js';
import { environment, loadConfig } from '../app/config.js';
import { connect } from '../app/connect.js';
import { silentLog } from '../app/in-process.js';
import { connectTrust, protectedDatabase } from '../app/connect/database.js';
import { AppError, toAppError } from '../errors.js';
import { diff, snapshotSide, type DiffCount, type KeyChange, type Side } from '../inspect/diff.js';
import {
  heldIn,
  findPartialSides,
  openSnapshot,
  stoppableStore,
  type Held,
  type OpenSnapshot,
} from '../inspect/open.js';
import { clockOf } from '../restore/target.js';
import { liveSide } from '../inspect/live.js';
import { pageOfKeys, textsOf, type KeyPage } from '../inspect/list.js';
import { textBytes } from '../restore/write/size.js';
import { chooseRecords, findKey, gatherFacts, recordsOf } from '../inspect/records.js';
import { catalogEntry } from '../snapshot/catalog.js';
import { listEntries } from '../snapshot/catalog-object.js';
import { assessor } from '../snapshot/latest.js';
import type { Manifest } from '../snapshot/manifest.js';
import { readPins, type Decision } from '../snapshot/pins.js';
import type { RecordLine } from '../snapshot/record.js';
import { selectSnapshot } from '../snapshot/select.js';
import {
  keyText,
  needsFacts,
  parseSelection,
  selectsAll,
  type FactsByProject,
  type Selection,
} from '../soulcaster/selection.js';
import { exportContent } from '../transfer/export.js';
import type { ViewPorts } from './entry.js';
import { assertKnownParameters, parseFlag, parseNumber, segmentAfter } from './requests.js';
import { json } from './responses.js';
import { viewSnapshot, type SnapshotView } from './snapshots.js';

const DEFAULT_KEYS = 100;
const MAX_KEYS = 1_000;
const MAX_CHANGES = 1_000;
/** Values are cut off at about this size; `download` has all of a value. */
const VALUE_BYTES = 1024 * 1024;
/** Vercel accepts answers up to 4.5 MB without streaming; JSON escapes may enlarge a value. */
const LINE_BYTES = 2 * 1024 * 1024;
/** A page of keys ends after this time, full or not. */
const PAGE_MS = 20_000;

/** GET /api/snapshots/{id}: the contents of a snapshot by type, family and project. */
export async function showSnapshot(ports: ViewPorts, request: Request): Promise<Response> {
  assertKnownParameters(new URL(request.url).searchParams);
  const trust = await connectTrust(environment(), ports);
  const { id } = await selectSnapshot(trust, segmentAfter('snapshots', request));
  const entry = await catalogEntry(ports.store, id);
  if (entry === null)
    throw new AppError('not-found', `Snapshot ${id} was removed a moment ago`, { hint: 'Choose another snapshot.' });
  const { manifest } = entry;
  const assessed = await assessor(trust, await listEntries(ports));
  const pinned = (await readPins(ports.store)).get(id) ?? null;
  const detail: SnapshotDetail = {
    ...viewSnapshot(entry, assessed(entry), trust),
    counts: manifest?.counts ?? null,
    doubts: manifest?.doubts ?? [],
    previous: manifest?.previous ?? null,
    pinned,
  };
  return json(200, detail);
}

/** `GET /api/snapshots/{id}`. */
export interface SnapshotDetail extends SnapshotView {
  readonly counts: Manifest['counts'] | null;
  readonly doubts: NonNullable<Manifest['doubts']>;
  readonly previous: Manifest['previous'];
  /** Who pinned it, when and why; null if it is not pinned. */
  readonly pinned: Decision | null;
}

/** `GET /api/snapshots/{id}/keys`. */
export interface SnapshotKeys extends KeyPage {
  readonly snapshot: string;
}

/** GET /api/snapshots/{id}/keys: a page of its keys. */
export async function showKeys(ports: ViewPorts, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  assertKnownParameters(searchParams, ['prefix', 'contains', 'after', 'limit'], ['family', 'project']);
  const selection = parseParameters(searchParams);
  const limit = parseNumber(searchParams, 'limit', DEFAULT_KEYS, MAX_KEYS);
  const snapshot = await openRequested(ports, request);
  const chosen = await chooseRecords(snapshot, selection, await factsOf(snapshot, selection));
  const until = ports.clock.now() + PAGE_MS;
  const timeIsUp = (): boolean => ports.clock.now() >= until;
  const page = await pageOfKeys(snapshot, chosen, { limit, after: searchParams.get('after'), timeIsUp });
  const answer: SnapshotKeys = { snapshot: snapshot.manifest.id, ...page };
  return json(200, answer);
}

/** `GET /api/snapshots/{id}/keys/value`. */
export interface KeyValue {
  readonly snapshot: string;
  readonly key: RecordLine['k'];
  readonly type: RecordLine['t'];
  readonly family: string;
  readonly project: string | null;
  readonly expiresAt: NonNullable<RecordLine['x']> | null;
  readonly lines: readonly RecordLine[];
  /** Whether the value has more lines than the answer. */
  readonly more: boolean;
}

/** GET /api/snapshots/{id}/keys/value?key=: one key with its value, up to about a megabyte of lines. Throws `too-large`. */
export async function showValue(ports: ViewPorts, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  assertKnownParameters(searchParams, ['key']);
  const name = searchParams.get('key');
  if (name === null) {
    throw new AppError('invalid', 'The parameter key is missing', {
      hint: 'Send ?key= with the whole key, percent-encoded.',
    });
  }
  const snapshot = await openRequested(ports, request);
  const { id } = snapshot.manifest;
  const record = await findKey(snapshot, keyText(name));
  if (record === null) {
    throw new AppError('not-found', `Snapshot ${id} holds no such key`, {
      hint: 'Send the whole key as /keys lists it, percent-encoded; a binary key as `base64:...`.',
    });
  }
  const { first, known, rest } = record;
  if (sizeOf(first) > LINE_BYTES) {
    throw new AppError('too-large', 'The value is too large for an answer', {
      hint: `Download the snapshot, or read it on the command line: \`npx soulcaster-backup cat ${id} KEY --env-file .env\`.`,
    });
  }
  const lines: RecordLine[] = [first];
  let bytes = sizeOf(first);
  let more = false;
  for await (const line of rest ?? []) {
    more = bytes >= VALUE_BYTES;
    if (more) break;
    lines.push(line);
    bytes += sizeOf(line);
  }
  const { family, project } = known;
  const { k: key, t: type, x: expiresAt = null } = first;
  const value: KeyValue = { snapshot: id, key, type, family, project, expiresAt, lines, more };
  return json(200, value);
}

/** `GET /api/snapshots/{id}/diff`; changes of keys with keys=true. */
export interface DiffView {
  readonly from: string;
  readonly to: string;
  readonly selection: Selection;
  /** The sides that hold only a part of a database, and which part: other keys are not compared. */
  readonly partial: readonly { readonly snapshot: string; readonly holds: string }[];
  readonly counts: readonly DiffCount[];
  readonly changes?: readonly KeyChange[];
  readonly more?: boolean;
}

/** GET /api/snapshots/{id}/diff?with=live|ID: counts of differences and, with keys=true, the first keys that differ. */
export async function showDiff(ports: ViewPorts, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  assertKnownParameters(searchParams, ['with', 'keys'], ['project', 'family']);
  const other = searchParams.get('with') ?? 'live';
  const shouldListKeys = parseFlag(searchParams, 'keys');
  const selection = parseParameters(searchParams);
  const signal = AbortSignal.timeout(timeLeft());
  const before = withTimeLimit(await openRequested(ports, request), signal);
  const { held, now, side, to } = await openSide(ports, other, selection, signal);
  const { partial, within } = await findPartialSides(before, held);
  const changes: KeyChange[] = [];
  let differing = 0;
  const onChange = (change: KeyChange): void => {
    differing += 1;
    if (changes.length < MAX_CHANGES) changes.push(change);
  };
  try {
    const counts = await diff(before, side, {
      selection,
      within,
      depth: shouldListKeys ? 'keys' : 'counts',
      now,
      onChange,
    });
    const keys = shouldListKeys ? { changes, more: differing > changes.length } : {};
    const view: DiffView = { from: before.manifest.id, to, selection, partial, counts, ...keys };
    return json(200, view);
  } catch (error) {
    throw signal.aborted ? tooLongError() : error;
  }
}

/** GET /api/snapshots/{id}/download: the output of `export --format jsonl`, gzipped, of all keys or a selection. Throws as `exportContent` does. */
export async function downloadSnapshot(ports: ViewPorts, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  assertKnownParameters(searchParams, ['prefix', 'contains'], ['project', 'family']);
  const selection = parseParameters(searchParams);
  const snapshot = await openRequested(ports, request);
  const until = AbortSignal.timeout(timeLeft());
  const tally = { keys: 0, lines: 0 };
  const other = secondErasures(environment(), silentLog(), () => undefined);
  const content = exportContent(withTimeLimit(snapshot, until), selection, 'jsonl', tally, other);
  const lines = Readable.from(await readAhead(content));
  const packed = createGzip({ level: 3 });
  // An error must break the download off: a truncated file must not look complete.
  lines.on('error', (error) => packed.destroy(toAppError(error)));
  const name = `${snapshot.manifest.id}${selectsAll(selection) ? '' : '-selection'}.jsonl.gz`;
  return new Response(Readable.toWeb(lines.pipe(packed)) as ReadableStream, {
    headers: {
      'content-type': 'application/gzip',
      'content-disposition': `attachment; filename="${name}"`,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    },
  });
}

/** Reads two chunks ahead, so that early errors and an empty selection are answered with a status. */
async function readAhead(chunks: AsyncGenerator<Buffer>): Promise<AsyncGenerator<Buffer>> {
  const first = [await chunks.next(), await chunks.next()];
  return (async function* () {
    for (const { done, value } of first) if (done !== true) yield value;
    yield* chunks;
  })();
}

async function openRequested(ports: ViewPorts, request: Request): Promise<OpenSnapshot> {
  return openById(ports, segmentAfter('snapshots', request));
}

async function openById(ports: ViewPorts, wanted: string): Promise<OpenSnapshot> {
  const env = environment();
  const { encryptor } = connect(env, ['encryptor']);
  return (await openSnapshot({ ...ports, encryptor }, protectedDatabase(env).source, wanted)).snapshot;
}

async function openSide(
  ports: ViewPorts,
  wanted: string,
  selection: Selection,
  signal: AbortSignal,
): Promise<{ side: Side; to: string; held: Held | null; now: () => number }> {
  if (wanted === 'live') {
    const { redis } = connect(environment(), ['redis']);
    return { side: liveSide(redis, signal), to: wanted, held: null, now: await clockOf(redis, ports.clock) };
  }
  const snapshot = withTimeLimit(await openById(ports, wanted), signal);
  const { id, window } = snapshot.manifest;
  const held = await heldIn(snapshot);
  return { side: snapshotSide(snapshot, selection), to: id, held, now: () => Date.parse(window.to) };
}

/** The snapshot with a store that refuses to read parts after the time limit. */
function withTimeLimit(snapshot: OpenSnapshot, signal: AbortSignal): OpenSnapshot {
  return { ...snapshot, store: stoppableStore(snapshot.store, signal, tooLongError) };
}

function timeLeft(): number {
  const { limits } = loadConfig(environment(), ['limits']);
  return functionDeadline(0, limits.FUNCTION_LIMIT_SECONDS);
}

function tooLongError(): AppError {
  return new AppError('busy', 'This takes longer than a function may run', {
    hint: 'Narrow it down by project or family, or use the command line, which has no limit: `npx soulcaster-backup diff ID live --env-file .env`, `npx soulcaster-backup export ID FILE --env-file .env`.',
  });
}

const MAX_FACTS = 8;
/** By snapshot and projects: snapshots do not change, and every page needs the same facts. */
const facts = new Map<string, FactsByProject>();

async function factsOf(snapshot: OpenSnapshot, selection: Selection): Promise<FactsByProject | undefined> {
  if (!needsFacts(selection)) return undefined;
  const name = JSON.stringify([snapshot.manifest.seal.sha256, selection.projects]);
  const known = facts.get(name) ?? (await gatherFacts(selection.projects, recordsOf(snapshot)));
  facts.set(name, known);
  for (const oldest of facts.keys()) if (facts.size > MAX_FACTS) facts.delete(oldest);
  return known;
}

/** `prefix` and `contains` match the key's name literally. */
function parseParameters(params: URLSearchParams): Selection {
  const prefix = escapeGlob(params.get('prefix') ?? '');
  const contains = escapeGlob(params.get('contains') ?? '');
  const both = prefix !== '' && contains !== '';
  if (both) {
    throw new AppError('invalid', 'Both prefix and contains are given', { hint: 'Give one of them.' });
  }
  const match = prefix !== '' ? [`${prefix}*`] : contains !== '' ? [`*${contains}*`] : [];
  return parseSelection({ project: params.getAll('project'), family: params.getAll('family'), match });
}

function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\^]/g, '\\$&');
}

function sizeOf(line: RecordLine): number {
  let bytes = 0;
  for (const text of textsOf(line)) bytes += textBytes(text);
  return bytes;
}
