import pMap from 'p-map';
import type { RedisPort } from '../../ports/redis.js';
import { scanReplies, type ScanReply } from '../../redis/scan.js';
import { readBatch, type ReadOutcome, type TypedKey } from '../read/batch.js';
import { addFieldExpiry } from '../read/field-expiry.js';
import { pagedKey, readPage } from '../read/paged.js';
import { isRecordType, type RecordType } from '../record.js';
import { asBuffer } from '../sent-value.js';
import type { SnapshotSettings } from '../settings.js';

/** Keys that SCAN returned, for one read. */
export interface ScanPage {
  readonly keys: readonly TypedKey[];
  readonly unsupported: readonly { readonly key: Buffer; readonly type: string }[];
  /** The cursor after these keys, or the cursor of their reply while more keys of it follow; null at the end. */
  readonly next: string | null;
  /** Whether an attempt may end after these keys. Within a reply it would read keys twice, so only when necessary. */
  readonly mayStop: boolean;
}

/** A page with the outcome of each of its keys, in the same order. */
export interface LoadedPage extends ScanPage {
  readonly outcomes: readonly ReadOutcome[];
}

/** One SCAN returns the keys of this many reads, so that reads do not wait for the sequence of SCANs. */
export const READS_PER_SCAN = 4;
const MAX_COUNT = 1000;
/** After this many reads an attempt may end within a reply, so that an unexpectedly large reply cannot outlast it. */
const MAX_READS = 2 * READS_PER_SCAN;
/** How much a page may exceed its size to avoid a separate read for a few keys. */
const OVERFULL = 0.25;

/**
 * Runs SCAN from a cursor to the end, and calls `pageSize` before each request. SCAN may return a key twice and empty pages;
 * only cursor 0 ends it (Redis documentation, SCAN guarantees). Keys that repeat within a reply are dropped here, other
 * repeats when the snapshot is finalized. With `shareOf`, the share of a page that a key of a type takes, a reply is split
 * by shares, strings first.
 */
export async function* scanPages(
  redis: RedisPort,
  cursor: string,
  pageSize: () => number,
  shareOf?: (type: RecordType) => number,
): AsyncGenerator<ScanPage> {
  const count = (): number => Math.min(MAX_COUNT, READS_PER_SCAN * pageSize());
  for await (const reply of scanReplies(redis, cursor, count)) {
    const page = parsePage(reply);
    const size = pageSize();
    yield* split(page, reply.from, shareOf === undefined ? bySize(page.keys, size) : byShare(page.keys, shareOf));
  }
}

/**
 * COUNT of a SCAN where no key is read. Each SCAN waits for the previous one: with a COUNT of a thousand, a walk over a large
 * database would take longer than a restore's proof allows.
 */
const NAMES_PER_SCAN = 4000;

/** Runs SCAN from a cursor to the end, with each reply as one page. */
export async function* scanNames(redis: RedisPort, cursor: string): AsyncGenerator<ScanPage> {
  for await (const reply of scanReplies(redis, cursor, () => NAMES_PER_SCAN)) yield parsePage(reply);
}

function* split(page: ScanPage, from: string, groups: readonly (readonly TypedKey[])[]): Generator<ScanPage> {
  for (const [at, keys] of groups.slice(0, -1).entries()) {
    yield { keys, unsupported: [], next: from, mayStop: at >= MAX_READS };
  }
  yield { ...page, keys: groups.at(-1) ?? [] };
}

function bySize(keys: readonly TypedKey[], size: number): TypedKey[][] {
  const groups: TypedKey[][] = [];
  for (let at = 0; at < keys.length; at += size) groups.push(keys.slice(at, at + size));
  return groups;
}

/**
 * The keys in groups, one for each read, strings first: the strings of a read share one MGET, and commands are billed and
 * throttled. The groups are about equally full.
 */
export function byShare(keys: readonly TypedKey[], shareOf: (type: RecordType) => number): TypedKey[][] {
  const isString = ({ type }: TypedKey): boolean => type === 'string';
  const sorted = [...keys.filter(isString), ...keys.filter((key) => !isString(key))];
  const total = sorted.reduce((sum, { type }) => sum + shareOf(type), 0);
  const groups: TypedKey[][] = [];
  const room = total / Math.max(1, Math.ceil(total - OVERFULL));
  let taken = 0;
  for (const key of sorted) {
    // By the total so far, so that a group after an overfull one is smaller.
    if (groups.length === 0 || taken >= room * groups.length) groups.push([]);
    groups.at(-1)?.push(key);
    taken += shareOf(key.type);
  }
  return groups;
}

/** The keys of a page that must be saved; see `SnapshotSettings.only`. */
export function onlyOf(page: ScanPage, only: SnapshotSettings['only']): ScanPage {
  if (only === undefined) return page;
  const isWanted = ({ key }: { readonly key: Buffer }): boolean => only(key);
  return { ...page, keys: page.keys.filter(isWanted), unsupported: page.unsupported.filter(isWanted) };
}

const BIG: ReadOutcome = { kind: 'big' };
/** Streams of a page that are read at a time. */
const STREAMS_AT_A_TIME = 4;

/** Reads a page's values. */
export async function loadPage(redis: RedisPort, page: ScanPage, fieldExpiry: boolean): Promise<LoadedPage> {
  const [streams, ordinary] = [true, false].map((wanted) =>
    page.keys.filter(({ type }) => (type === 'stream') === wanted),
  );
  const values = await readBatch(redis, ordinary ?? []);
  const streamed = await pMap(streams ?? [], ({ key }) => readStream(redis, key), { concurrency: STREAMS_AT_A_TIME });
  let [nextValue, nextStream] = [0, 0];
  const outcomes = page.keys.map(
    ({ type }) => (type === 'stream' ? streamed[nextStream++] : values[nextValue++]) ?? BIG,
  );
  return { ...page, outcomes: fieldExpiry ? await addFieldExpiry(redis, page.keys, outcomes) : outcomes };
}

/** Reads a stream alone: its groups and pending entries take further requests. */
async function readStream(redis: RedisPort, key: Buffer): Promise<ReadOutcome> {
  const { line, next, note } = await readPage(redis, pagedKey(key, 'stream'), false);
  // A stream of several pages, or one that changed, is read page by page, where its lines can be voided.
  if (next !== null || note?.kind === 'changed') return BIG;
  if (note !== null) return note;
  return line === null ? BIG : { kind: 'line', line };
}

function parsePage({ next, items: replied }: ScanReply): ScanPage {
  const items = replied.map(asBuffer);
  const seen = new Set<string>();
  const keys: TypedKey[] = [];
  const unsupported: { key: Buffer; type: string }[] = [];
  for (let at = 0; at + 1 < items.length; at += 2) {
    const key = items[at] as Buffer;
    const name = key.toString('latin1');
    if (seen.has(name)) continue;
    seen.add(name);
    const type = normalType((items[at + 1] as Buffer).toString('latin1'));
    if (isRecordType(type)) keys.push({ key, type });
    else unsupported.push({ key, type });
  }
  return { keys, unsupported, next, mayStop: true };
}

/** The type of a JSON key: Redis Stack reports the name of its module, Upstash `json`. */
export function normalType(type: string): string {
  return type === 'ReJSON-RL' ? 'json' : type;
}

const MIN_PAGE = 4;
const MAX_PAGE = 1000;
/**
 * The most commands of a read. Pacing admits a read as a whole: the pace (half of a database's limit), one read and the
 * application's commands must fit into the limit together.
 */
const MAX_COMMANDS = 600;
/** A mean covers about this many of the last keys. */
const WINDOW_KEYS = 500;
/** The initial assumption has the weight of this many keys. */
const INITIAL_WEIGHT = 10;
/** Base64 and JSON around a value on the wire. */
const WIRE_FACTOR = 1.4;

/**
 * The number of keys in a read, by the size of the last keys on the wire. Strings are measured separately from other types:
 * the strings of a read share a command, so that a read has as many strings as fit.
 */
export interface PageSizes {
  /** Mean bytes of a key of any type. */
  readonly bytesPerKey: number;
  /** Keys in a page of mixed types. */
  readonly pageSize: () => number;
  /** The share of a page that a key of the type takes. */
  readonly shareOf: (type: RecordType) => number;
  /** Adds the bytes of a line that was written. */
  note(type: RecordType, lineBytes: number): void;
  /** Adds the bytes of a value on the wire. */
  noteWire(type: RecordType, bytes: number): void;
}

/** `bytesPerKey`: the initial assumption. */
export function pageSizes(pageBytes: number, bytesPerKey: number): PageSizes {
  // The keys of a reply are sorted by type, so the mean of all covers more keys: it must not follow the last few.
  const all = runningMean(bytesPerKey, 4 * WINDOW_KEYS);
  const strings = runningMean(bytesPerKey, WINDOW_KEYS);
  const others = runningMean(bytesPerKey, WINDOW_KEYS);
  const fitting = (bytes: number, most: number): number =>
    Math.min(most, Math.max(MIN_PAGE, pageBytes / Math.max(bytes, 1)));
  const noteWire = (type: RecordType, bytes: number): void => {
    all.add(bytes);
    (type === 'string' ? strings : others).add(bytes);
  };
  return {
    get bytesPerKey() {
      return all.value;
    },
    pageSize: () => Math.floor(fitting(all.value, MAX_PAGE)),
    // Strings share an MGET, so each takes only the command for its expiry.
    shareOf: (type) =>
      1 / (type === 'string' ? fitting(strings.value, MAX_COMMANDS) : fitting(others.value, MAX_COMMANDS / 2)),
    note: (type, lineBytes) => noteWire(type, lineBytes * WIRE_FACTOR),
    noteWire,
  };
}

function runningMean(initial: number, windowKeys: number): { readonly value: number; add(next: number): void } {
  let value = initial;
  let count = INITIAL_WEIGHT;
  return {
    get value() {
      return value;
    },
    add(next) {
      count = Math.min(windowKeys, count + 1);
      value += (next - value) / count;
    },
  };
}
