import pMap, { pMapIterable } from 'p-map';
import { isSentJson, type RedisPort, type WireValue } from '../../ports/redis.js';
import { pipelineInHalves } from '../../redis/halving.js';
import { isDue, parseExpiry, sameExpiry, isRecordType, keyOf, type RecordType } from '../../snapshot/record.js';
import type { ReadOutcome, TypedKey } from '../../snapshot/read/batch.js';
import { readValues } from '../../snapshot/read/field-expiry.js';
import { asBuffer, isSent, recordOf, type FreshLine } from '../../snapshot/sent-value.js';
import { pageSizes, normalType, type PageSizes } from '../../snapshot/scan/pages.js';
import type { TargetRecord } from '../model.js';
import {
  contentBuilder,
  differenceOf,
  isOver,
  isSameLine,
  type Content,
  type FieldRule,
  type Difference,
} from './content.js';
import { readLive, readRefusedError, stopIfAborted, type LiveState } from './read-live.js';

export type Live = 'equal' | 'different' | 'absent';

export interface Comparison {
  /** Its `rest` has been read. */
  readonly record: TargetRecord;
  /** For an expired record `absent`, or `different` when the key exists. */
  readonly live: Live;
  /** Null unless `live` is `different`, and for an expired record, which is not compared further. */
  readonly difference: Difference | null;
  /** Whether everything in the record has expired by now: its key may exist or not. */
  readonly over: boolean;
  /** Whether the key has a type, or an element, that no snapshot can hold. */
  readonly unsavable: boolean;
  /** Whether the key equals the record as it was before in-flight work was failed. */
  readonly inFlight: boolean;
  /** The key as a snapshot would hold it. Null if absent, larger than one reply, or still changing. */
  readonly found: FreshLine | null;
}

export interface CompareOptions {
  /** Batches of records read from the database concurrently. */
  readonly inFlight: number;
  /** Whether the expiry of single hash fields is compared. */
  readonly fieldExpiry: boolean;
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch: data that have expired by then may be absent. */
  readonly now: () => number;
}

/**
 * Compares each record with its key in the database, in the order of the records. Reads only. Values are compared by
 * digests, 16 to 24 bytes an element, so neither side has to fit in memory; every record's `rest` is read once, to its
 * end, before the next record is requested.
 *
 * Not compared, because no command sets it: a stream's entriesAdded, maxDeletedId and its groups' entriesRead, and
 * pending entries whose entry is not in the stream. The delivery time of a pending entry is compared to the minute,
 * since Redis reports only the time elapsed. A big value that keeps changing while it is read is compared as it was
 * read.
 *
 * Throws what the port throws, `redis-command` when the database denies reading a value, and the reason of `signal`.
 */
export async function* compareRecords(
  redis: RedisPort,
  records: AsyncIterable<TargetRecord>,
  options: CompareOptions,
): AsyncGenerator<Comparison> {
  const { inFlight } = options;
  const sizes = pageSizes(BATCH_BYTES, BATCH_BYTES / FIRST_BATCH);
  const examined = pMapIterable(
    gather(records, options, sizes),
    (batch) => compareBatch(redis, batch, options, sizes),
    {
      concurrency: inFlight,
      backpressure: inFlight * 2,
    },
  );
  for await (const comparisons of examined) yield* comparisons;
}

/** Keys of a batch before the sizes of the values there are known. */
const FIRST_BATCH = 100;

/** A record whose `rest` has been read. */
interface Candidate {
  readonly record: TargetRecord;
  /** The content of a record of several lines; null for a record of one line, and for an expired one. */
  readonly big: Content | null;
  /** How both sides compare the expiry of fields. */
  readonly rule: FieldRule;
}

/** Longer than any batch takes: fields that expire within this time may vanish during the comparison. */
const LEAVING_MS = 60 * 60 * 1000;

/** The intended size of a reply, so that few batches have to be cut in two. */
const BATCH_BYTES = 256 * 1024;
const BATCH_KEYS = 500;

/**
 * Gathers records into batches that are read with one request each; a big record is a batch alone. Values in the
 * database may be much larger than the records: `shareOf` estimates a key's share of a batch from recent reads.
 */
async function* gather(
  records: AsyncIterable<TargetRecord>,
  options: Pick<CompareOptions, 'fieldExpiry' | 'signal' | 'now'>,
  { shareOf }: Pick<PageSizes, 'shareOf'>,
): AsyncGenerator<readonly Candidate[]> {
  let batch: Candidate[] = [];
  let bytes = 0;
  let live = 0;
  for await (const record of records) {
    if (record.rest !== null && batch.length > 0) {
      // The gathered batch is read from the database while this record is drained.
      yield batch;
      [batch, bytes, live] = [[], 0, 0];
    }
    const rule = { fieldExpiry: options.fieldExpiry, horizon: options.now() + LEAVING_MS };
    batch.push({ record, big: await drain(record, rule, options.signal), rule });
    bytes += sizeOf(record);
    live += shareOf(record.first.t);
    if (record.rest === null && bytes < BATCH_BYTES && live < 1 && batch.length < BATCH_KEYS) continue;
    yield batch;
    [batch, bytes, live] = [[], 0, 0];
  }
  if (batch.length > 0) yield batch;
}

async function drain(
  { first, rest, expired }: TargetRecord,
  rule: FieldRule,
  signal: AbortSignal,
): Promise<Content | null> {
  stopIfAborted(signal);
  if (rest === null) return null;
  const content = expired ? null : contentBuilder(first, rule);
  for await (const line of rest) {
    stopIfAborted(signal);
    content?.add(line);
  }
  return content?.finish() ?? null;
}

/** About the size of a record's name, which is in the request, and of its value, which is in the reply. */
function sizeOf({ first }: TargetRecord): number {
  return lengthOf(first.k) + lengthOf(first.v);
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + lengthOf(item), 0);
  return JSON.stringify(value).length;
}

/** Keys of one batch that need further requests and are read concurrently: streams, big values, and keys of another type. */
const KEYS_AT_A_TIME = 4;

/** Compares the records of one batch with the database, in the same order. */
async function compareBatch(
  redis: RedisPort,
  batch: readonly Candidate[],
  options: CompareOptions,
  sizes: PageSizes,
): Promise<Comparison[]> {
  stopIfAborted(options.signal);
  const ordinary = batch.filter(isOrdinary);
  const expired = batch.filter(({ record }) => record.expired);
  const [outcomes, types] = await Promise.all([
    readValues(redis, ordinary.map(typedKey), options.fieldExpiry),
    readLiveTypes(
      redis,
      expired.map(({ record }) => record),
    ),
  ]);
  for (const [at, outcome] of outcomes.entries()) noteSize(sizes, ordinary[at]?.record.first.t ?? 'string', outcome);
  const read = new Map(ordinary.map((candidate, at) => [candidate, outcomes[at]]));
  const liveTypes = new Map(expired.map((candidate, at) => [candidate, types[at]]));
  const compare = async (candidate: Candidate): Promise<Comparison> => {
    const { record } = candidate;
    if (record.expired) return compareExpired(record, liveTypes.get(candidate) ?? null);
    return compareOne(redis, candidate, read.get(candidate) ?? BIG, options);
  };
  return pMap(batch, compare, { concurrency: KEYS_AT_A_TIME });
}

function noteSize(sizes: PageSizes, type: RecordType, outcome: ReadOutcome): void {
  if (outcome.kind === 'big') sizes.noteWire(type, BATCH_BYTES);
  else if (outcome.kind === 'gone') sizes.noteWire(type, 0);
  else if (outcome.kind === 'line' && isSent(outcome.line)) sizes.noteWire(type, bytesOf(outcome.line.sent));
}

/** The approximate size of a value on the wire. */
function bytesOf(value: WireValue): number {
  if (isSentJson(value)) return value.to - value.from;
  if (Buffer.isBuffer(value)) return (value.length * 4) / 3;
  return Array.isArray(value) ? value.reduce<number>((sum, item: WireValue) => sum + bytesOf(item), 0) : 0;
}

/** Compares an expired record; `type` is the type of its key, null for an absent one. */
function compareExpired(record: TargetRecord, type: string | null): Comparison {
  const unsavable = type !== null && !isRecordType(type);
  return {
    record,
    live: type === null ? 'absent' : 'different',
    difference: null,
    over: true,
    unsavable,
    inFlight: false,
    found: null,
  };
}

const BIG: ReadOutcome = { kind: 'big' };

/** Whether the key is read with others in one request. Streams and big values take several requests each. */
function isOrdinary({ record, big }: Candidate): boolean {
  return !record.expired && big === null && record.first.t !== 'stream';
}

function typedKey({ record }: Candidate): TypedKey {
  return { key: keyOf(record.first), type: record.first.t };
}

async function compareOne(
  redis: RedisPort,
  candidate: Candidate,
  outcome: ReadOutcome,
  options: CompareOptions,
): Promise<Comparison> {
  const { record, rule } = candidate;
  const found = outcome.kind === 'line' && outcome.changed === undefined ? outcome.line : null;
  // Decoded once, for both comparisons.
  const line = found === null ? null : recordOf(found);
  if (candidate.big === null && line !== null && isSameLine(record.first, line)) {
    const { x } = record.first;
    const over = x !== undefined && isDue(x, options.now());
    return { record, live: 'equal', difference: null, over, unsavable: false, inFlight: false, found };
  }
  const read: ReadOutcome = line === null ? outcome : { kind: 'line', line };
  const live = await readLive(redis, typedKey(candidate), read, { rule, signal: options.signal });
  const wanted = candidate.big ?? contentBuilder(record.first, rule).finish();
  const now = options.now();
  const over = isOver(wanted, now);
  const shared = { record, over, unsavable: isUnsavable(live), inFlight: false, found };
  if (live.kind === 'absent') {
    const equal = wanted.empty && wanted.leaving.size === 0;
    return { ...shared, live: equal ? 'equal' : 'absent', difference: null };
  }
  const difference = differenceFrom(wanted, live, now);
  const inFlight = difference !== null && isStillInFlight(record, live, rule, now);
  return { ...shared, live: difference === null ? 'equal' : 'different', difference, inFlight };
}

/** Whether the key equals the record as it was before in-flight work was failed. */
function isStillInFlight({ stillInFlight }: TargetRecord, live: Present, rule: FieldRule, now: number): boolean {
  if (stillInFlight === undefined) return false;
  return differenceFrom(contentBuilder(stillInFlight, rule).finish(), live, now) === null;
}

type Present = Exclude<LiveState, { kind: 'absent' }>;

function isUnsavable(live: LiveState): boolean {
  return live.kind === 'too-large' || (live.kind === 'other-type' && !isRecordType(live.type));
}

function differenceFrom(wanted: Content, live: Present, now: number): Difference | null {
  switch (live.kind) {
    case 'content':
      return differenceOf(wanted, live.content, now);
    case 'other-type':
      return 'type';
    case 'too-large':
      return 'value';
  }
}

/**
 * The types of the keys of expired records; null for an absent key, and for a key with the record's own expiry, which
 * the server is about to remove.
 */
async function readLiveTypes(redis: RedisPort, records: readonly TargetRecord[]): Promise<(string | null)[]> {
  if (records.length === 0) return [];
  const keys = records.map(({ first }) => keyOf(first));
  const replies = await pipelineInHalves(
    redis,
    keys.flatMap((key) => [['TYPE', key] as const, ['PEXPIRETIME', key] as const]),
  );
  return records.map(({ first }, at) => {
    const [type, expiry] = [replies[2 * at], replies[2 * at + 1]];
    if (type === undefined || expiry === undefined || 'error' in type || 'error' in expiry) {
      throw readRefusedError('whether a key is there');
    }
    const name = asBuffer(type.value).toString('latin1');
    const live = parseExpiry(expiry.value);
    return name === 'none' || (live !== null && sameExpiry(live, first.x)) ? null : normalType(name);
  });
}
