import { createGzip } from 'node:zlib';
import { Readable } from 'node:stream';
import { functionDeadline } from '../app/app.js';
import { environment, loadConfig } from '../app/config.js';
import { connect } from '../app/connect.js';
import { connectTrust, protectedDatabase } from '../app/connect/database.js';
import { AppError, toAppError } from '../errors.js';
import { diff, snapshotSide, type DiffCount, type KeyChange, type Side } from '../inspect/diff.js';
import { heldIn, findPartialSides, type Held } from '../inspect/held.js';
import { clockOf, liveSide } from '../inspect/live.js';
import { openSnapshot, stoppableStore, type OpenSnapshot } from '../inspect/open.js';
import { pageOfKeys, type KeyPage, textBytes, textsOf } from '../inspect/list.js';
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
import { demandOnly, flagOf, numberOf, segmentAfter } from './parameters.js';
import { json } from './problem.js';
import { describeSnapshot, type SnapshotView } from './snapshots.js';

const DEFAULT_KEYS = 100;
const MOST_KEYS = 1_000;
const MOST_CHANGES = 1_000;
/** A value is given up to about this many bytes; `download` gives all of it. */
const VALUE_BYTES = 1024 * 1024;
/** Vercel takes answers of up to 4.5 MB that are not streamed; JSON may escape a value to more than it has. */
const LINE_BYTES = 2 * 1024 * 1024;
/** A page of keys ends after this time, full or not. */
const PAGE_MS = 20_000;

/** GET /api/snapshots/{id}: what is in a snapshot, by type, family and project. */
export async function showSnapshot(ports: ViewPorts, request: Request): Promise<Response> {
  demandOnly(new URL(request.url).searchParams);
  const trust = await connectTrust(environment(), ports);
  const { id } = await selectSnapshot(trust, segmentAfter('snapshots', request));
  const entry = await catalogEntry(ports.store, id);
  if (entry === null)
    throw new AppError('not-found', `Snapshot ${id} was removed a moment ago`, { hint: 'Choose another.' });
  const { manifest } = entry;
  const assessed = await assessor(trust, await listEntries(ports));
  const pinned = (await readPins(ports.store)).get(id) ?? null;
  const detail: SnapshotDetail = {
    ...describeSnapshot(entry, assessed(entry), trust),
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
  /** Who pinned it, when and why; null where nobody did. */
  readonly pinned: Decision | null;
}

/** `GET /api/snapshots/{id}/keys`. */
export interface SnapshotKeys extends KeyPage {
  readonly snapshot: string;
}

/** GET /api/snapshots/{id}/keys: a page of its keys. */
export async function showKeys(ports: ViewPorts, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  demandOnly(searchParams, ['prefix', 'contains', 'after', 'limit'], ['family', 'project']);
  const selection = selectionOf(searchParams);
  const limit = numberOf(searchParams, 'limit', DEFAULT_KEYS, MOST_KEYS);
  const snapshot = await openAsked(ports, request);
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
  /** Whether there are more lines than an answer takes. */
  readonly more: boolean;
}

/** GET /api/snapshots/{id}/keys/value?key=: one key with its value, of several lines about a megabyte. Throws `too-large`. */
export async function showValue(ports: ViewPorts, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  demandOnly(searchParams, ['key']);
  const name = searchParams.get('key');
  if (name === null) {
    throw new AppError('invalid', 'One key has to be given', {
      hint: 'Send ?key= and the whole key, percent-encoded.',
    });
  }
  const snapshot = await openAsked(ports, request);
  const { id } = snapshot.manifest;
  const record = await findKey(snapshot, keyText(name));
  if (record === null) {
    throw new AppError('not-found', `Snapshot ${id} holds no such key`, {
      hint: 'Give the whole key as /keys lists it, percent-encoded; one that is no text as `base64:...`.',
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

/** `GET /api/snapshots/{id}/diff`; changes of keys where they were asked for. */
export interface DiffView {
  readonly from: string;
  readonly to: string;
  readonly selection: Selection;
  /** The sides that hold a part of a database, and which: other keys are not compared. */
  readonly partial: readonly { readonly snapshot: string; readonly holds: string }[];
  readonly counts: readonly DiffCount[];
  readonly changes?: readonly KeyChange[];
  readonly more?: boolean;
}

/** GET /api/snapshots/{id}/diff?with=live|ID: counts of what differs and, with keys=true, the first keys that do. */
export async function showDiff(ports: ViewPorts, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  demandOnly(searchParams, ['with', 'keys'], ['project', 'family']);
  const other = searchParams.get('with') ?? 'live';
  const named = flagOf(searchParams, 'keys');
  const selection = selectionOf(searchParams);
  const signal = AbortSignal.timeout(timeLeft());
  const before = stoppable(await openAsked(ports, request), signal);
  const { held, now, side, to } = await sideOf(ports, other, selection, signal);
  const { partial, within } = await findPartialSides(before, held);
  const changes: KeyChange[] = [];
  let differing = 0;
  const onChange = (change: KeyChange): void => {
    differing += 1;
    if (changes.length < MOST_CHANGES) changes.push(change);
  };
  try {
    const counts = await diff(before, side, { selection, within, depth: named ? 'keys' : 'counts', now, onChange });
    const keys = named ? { changes, more: differing > changes.length } : {};
    const view: DiffView = { from: before.manifest.id, to, selection, partial, counts, ...keys };
    return json(200, view);
  } catch (error) {
    throw signal.aborted ? tooLong() : error;
  }
}

/** GET /api/snapshots/{id}/download: what `export --format jsonl` writes, gzipped, of all keys or a selection. Throws `not-found` for a selection without any. */
export async function downloadSnapshot(ports: ViewPorts, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  demandOnly(searchParams, ['prefix', 'contains'], ['project', 'family']);
  const selection = selectionOf(searchParams);
  const snapshot = await openAsked(ports, request);
  const until = AbortSignal.timeout(timeLeft());
  const content = exportContent(stoppable(snapshot, until), selection, 'jsonl', { keys: 0, lines: 0 });
  const lines = Readable.from(await begun(content));
  const packed = createGzip({ level: 3 });
  // What fails on the way must break the download off: a file that ends early must not look whole.
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

/** The same chunks, of which two have been read: what is wrong from the beginning, and a selection of nothing, is told by a status. */
async function begun(chunks: AsyncGenerator<Buffer>): Promise<AsyncGenerator<Buffer>> {
  const first = [await chunks.next(), await chunks.next()];
  return (async function* () {
    for (const { done, value } of first) if (done !== true) yield value;
    yield* chunks;
  })();
}

async function openAsked(ports: ViewPorts, request: Request): Promise<OpenSnapshot> {
  return openWanted(ports, segmentAfter('snapshots', request));
}

async function openWanted(ports: ViewPorts, wanted: string): Promise<OpenSnapshot> {
  const env = environment();
  const { encryptor } = connect(env, ['encryptor']);
  return (await openSnapshot({ ...ports, encryptor }, protectedDatabase(env).source, wanted)).snapshot;
}

async function sideOf(
  ports: ViewPorts,
  wanted: string,
  selection: Selection,
  signal: AbortSignal,
): Promise<{ side: Side; to: string; held: Held | null; now: () => number }> {
  if (wanted === 'live') {
    const { redis } = connect(environment(), ['redis']);
    return { side: liveSide(redis, signal), to: wanted, held: null, now: await clockOf(redis, ports.clock) };
  }
  const snapshot = stoppable(await openWanted(ports, wanted), signal);
  const { id, window } = snapshot.manifest;
  const held = await heldIn(snapshot);
  return { side: snapshotSide(snapshot, selection), to: id, held, now: () => Date.parse(window.to) };
}

/** The same snapshot, of which no part is read any more once the time is up. */
function stoppable(snapshot: OpenSnapshot, signal: AbortSignal): OpenSnapshot {
  return { ...snapshot, store: stoppableStore(snapshot.store, signal, tooLong) };
}

function timeLeft(): number {
  const { limits } = loadConfig(environment(), ['limits']);
  return functionDeadline(0, limits.FUNCTION_LIMIT_SECONDS);
}

function tooLong(): AppError {
  return new AppError('busy', 'This takes longer than a function may run', {
    hint: 'Narrow it down by project or family, or use the command line: `npx soulcaster-backup diff`, `ls` and `export` have no limit.',
  });
}

const KEPT_FACTS = 8;
/** By snapshot and projects: a snapshot does not change, and each page needs the same. */
const facts = new Map<string, FactsByProject>();

async function factsOf(snapshot: OpenSnapshot, selection: Selection): Promise<FactsByProject | undefined> {
  if (!needsFacts(selection)) return undefined;
  const name = JSON.stringify([snapshot.manifest.seal.sha256, selection.projects]);
  const known = facts.get(name) ?? (await gatherFacts(selection.projects, recordsOf(snapshot)));
  facts.set(name, known);
  for (const oldest of facts.keys()) if (facts.size > KEPT_FACTS) facts.delete(oldest);
  return known;
}

/** `prefix` and `contains` are of the key's name, as they stand. */
function selectionOf(params: URLSearchParams): Selection {
  const prefix = literal(params.get('prefix') ?? '');
  const contains = literal(params.get('contains') ?? '');
  const both = prefix !== '' && contains !== '';
  if (both) {
    throw new AppError('invalid', 'Both prefix and contains are given', { hint: 'Give one of them.' });
  }
  const match = prefix !== '' ? [`${prefix}*`] : contains !== '' ? [`*${contains}*`] : [];
  return parseSelection({ project: params.getAll('project'), family: params.getAll('family'), match });
}

function literal(text: string): string {
  return text.replace(/[*?[\]\\^]/g, '\\$&');
}

function sizeOf(line: RecordLine): number {
  let bytes = 0;
  for (const text of textsOf(line)) bytes += textBytes(text);
  return bytes;
}
