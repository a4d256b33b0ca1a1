import pMap from 'p-map';
import type { RedisPort } from '../../ports/redis.js';
import { scanReplies, type ScanReply } from '../../redis/scan.js';
import { readBatch, type ReadOutcome, type TypedKey } from '../read/batch.js';
import { addFieldExpiry } from '../read/field-expiry.js';
import { pagedKey, readPage } from '../read/paged.js';
import { isRecordType, type RecordType } from '../record.js';
import { asBuffer } from '../sent-value.js';
import type { SnapshotSettings } from '../settings.js';

/** Keys as SCAN named them: as many as are read with one request. */
export interface ScanPage {
  readonly keys: readonly TypedKey[];
  readonly unsupported: readonly { readonly key: Buffer; readonly type: string }[];
  /** Where SCAN continues after these keys, or again where their reply began if more of it follow; null at the end. */
  readonly next: string | null;
  /** Whether an attempt may end after these keys. Within a reply it would read keys twice, so only where it must. */
  readonly mayStop: boolean;
}

/** A page with what became of each of its keys, in the same order. */
export interface LoadedPage extends ScanPage {
  readonly outcomes: readonly ReadOutcome[];
}

/** One SCAN names the keys of this many reads, so that the chain of SCANs does not keep the reads waiting. */
export const READS_PER_SCAN = 4;
const MAX_COUNT = 1000;
/** A reply that was expected to be small and is not must not keep an attempt past its end. */
const MAX_READS = 2 * READS_PER_SCAN;
/** By how much a page may be larger than it should, rather than leave a few keys to a read of their own. */
const OVERFULL = 0.25;

/**
 * SCANs from a cursor to the end. `pageSize` is asked before each request. SCAN may return a key twice and empty pages;
 * only cursor 0 ends it (Redis documentation, SCAN guarantees). Keys that repeat within a reply are dropped here,
 * others when the snapshot is sealed. With `shareOf`, which share of a page a key of a type takes, a reply is cut by that,
 * its strings first.
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
    yield* cut(page, reply.from, shareOf === undefined ? inOrder(page.keys, size) : byShare(page.keys, shareOf));
  }
}

/**
 * Names that one SCAN is asked for where no key is read. Each SCAN waits for the one before: with a thousand at a time a walk over a
 * large database would wait longer for its replies than a restore's proof has to spare.
 */
const NAMES_PER_SCAN = 4000;

/** SCANs the names from a cursor to the end, each reply a page. */
export async function* scanNames(redis: RedisPort, cursor: string): AsyncGenerator<ScanPage> {
  for await (const reply of scanReplies(redis, cursor, () => NAMES_PER_SCAN)) yield parsePage(reply);
}

function* cut(page: ScanPage, from: string, groups: readonly (readonly TypedKey[])[]): Generator<ScanPage> {
  for (const [at, keys] of groups.slice(0, -1).entries()) {
    yield { keys, unsupported: [], next: from, mayStop: at >= MAX_READS };
  }
  yield { ...page, keys: groups.at(-1) ?? [] };
}

function inOrder(keys: readonly TypedKey[], size: number): TypedKey[][] {
  const groups: TypedKey[][] = [];
  for (let at = 0; at < keys.length; at += size) groups.push(keys.slice(at, at + size));
  return groups;
}

/**
 * The keys in groups for a read each, strings first: those of a read share one MGET, and commands are what is billed and
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
    // By its place in the whole, so that what one group has too much the next has not.
    if (groups.length === 0 || taken >= room * groups.length) groups.push([]);
    groups.at(-1)?.push(key);
    taken += shareOf(key.type);
  }
  return groups;
}

/** The keys of a page that are to be saved; see `SnapshotSettings.only`. */
export function onlyOf(page: ScanPage, only: SnapshotSettings['only']): ScanPage {
  if (only === undefined) return page;
  const isWanted = ({ key }: { readonly key: Buffer }): boolean => only(key);
  return { ...page, keys: page.keys.filter(isWanted), unsupported: page.unsupported.filter(isWanted) };
}

const BIG: ReadOutcome = { kind: 'big' };
/** Streams of one page that are read at a time. */
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

/** A stream has groups and pending entries beside its entries, which takes separate requests. */
async function readStream(redis: RedisPort, key: Buffer): Promise<ReadOutcome> {
  const { line, next, note } = await readPage(redis, pagedKey(key, 'stream'), false);
  // More than a page, or it moved: then it is begun again, where its lines can be taken back.
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

/** Redis Stack calls the type of a JSON key by its module's name, Upstash `json`. */
export function normalType(type: string): string {
  return type === 'ReJSON-RL' ? 'json' : type;
}
