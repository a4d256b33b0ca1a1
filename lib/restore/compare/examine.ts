import pMap from 'p-map';
import type { RedisPort } from '../../ports/redis.js';
import { readBatch, type ReadOutcome, type TypedKey } from '../../snapshot/read/batch.js';
import { keyOf } from '../../snapshot/record.js';
import { contentBuilder, differenceOf, type Content } from './content.js';
import type { Candidate } from './gather.js';
import { readLive, type Standing } from './read-live.js';
import { refused, stopIfAborted } from './refusal.js';
import type { CompareOptions, Comparison, Difference } from './types.js';

/** Keys of one batch that are followed up at a time: streams, big ones, and those of another type. */
const KEYS_AT_A_TIME = 4;

/** Compares the records of one batch with what stands in the database, in the same order. */
export async function examine(
  redis: RedisPort,
  batch: readonly Candidate[],
  options: CompareOptions,
): Promise<Comparison[]> {
  stopIfAborted(options.signal);
  const ordinary = batch.filter(isOrdinary);
  const expired = batch.filter(({ record }) => record.expired);
  const [outcomes, present] = await Promise.all([
    readBatch(redis, ordinary.map(typedKey)),
    whichExist(redis, expired.map(typedKey)),
  ]);
  const read = new Map(ordinary.map((candidate, at) => [candidate, outcomes[at]]));
  const exists = new Map(expired.map((candidate, at) => [candidate, present[at]]));
  const compare = async (candidate: Candidate): Promise<Comparison> => {
    const { record } = candidate;
    if (record.expired)
      return { record, live: exists.get(candidate) === true ? 'different' : 'absent', difference: null };
    return compareOne(redis, candidate, read.get(candidate) ?? BIG, options);
  };
  return pMap(batch, compare, { concurrency: KEYS_AT_A_TIME });
}

const BIG: ReadOutcome = { kind: 'big' };

/** What is read with others in one request. Streams and big values take several of their own. */
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
  const { record } = candidate;
  const standing = await readLive(redis, typedKey(candidate), outcome, options);
  const wanted = candidate.big ?? contentBuilder(record.first, options.fieldExpiry).finish();
  if (standing.kind === 'absent') return { record, live: wanted.empty ? 'equal' : 'absent', difference: null };
  const difference = differenceFrom(wanted, standing);
  return { record, live: difference === null ? 'equal' : 'different', difference };
}

function differenceFrom(wanted: Content, standing: Exclude<Standing, { kind: 'absent' }>): Difference | null {
  switch (standing.kind) {
    case 'content':
      return differenceOf(wanted, standing.content);
    case 'other-type':
      return 'type';
    case 'too-large':
      return 'value';
  }
}

async function whichExist(redis: RedisPort, keys: readonly TypedKey[]): Promise<boolean[]> {
  if (keys.length === 0) return [];
  const replies = await redis.pipeline(keys.map(({ key }) => ['EXISTS', key] as const));
  return replies.map((reply) => {
    if ('value' in reply) return reply.value === 1;
    throw refused('whether a key is there');
  });
}
