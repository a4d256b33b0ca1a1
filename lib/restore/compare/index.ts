import pMap, { pMapIterable } from 'p-map';
import { isSentJson, type RedisPort, type WireValue } from '../../ports/redis.js';
import type { TargetRecord } from '../model.js';
import { BATCH_BYTES, gather, type Candidate } from './gather.js';
import type { CompareOptions, Comparison, Difference } from './types.js';
import { pipelineInHalves } from '../../redis/halving.js';
import { parseExpiry, sameExpiry, isRecordType, keyOf, type RecordType } from '../../snapshot/record.js';
import type { ReadOutcome, TypedKey } from '../../snapshot/read/batch.js';
import { readValues } from '../../snapshot/read/field-expiry.js';
import { asBuffer, isSent } from '../../snapshot/sent-value.js';
import { pageSizes, type PageSizes, normalType } from '../../snapshot/scan/pages.js';
import { contentBuilder, differenceOf, isOver, type Content, type FieldRule } from './content.js';
import { readLive, type LiveState } from './read-live.js';
import { readRefusedError, stopIfAborted } from './refusal.js';

export type { CompareOptions, Comparison, Difference, Live } from './types.js';

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
  const live = await readLive(redis, typedKey(candidate), outcome, { rule, signal: options.signal });
  const wanted = candidate.big ?? contentBuilder(record.first, rule).finish();
  const now = options.now();
  const over = isOver(wanted, now);
  const found = outcome.kind === 'line' && outcome.changed === undefined ? outcome.line : null;
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
