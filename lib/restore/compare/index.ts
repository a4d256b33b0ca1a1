import { pMapIterable } from 'p-map';
import type { RedisPort } from '../../ports/redis.js';
import type { TargetRecord } from '../model.js';
import { examine } from './examine.js';
import { gather } from './gather.js';
import type { CompareOptions, Comparison } from './types.js';

export type { CompareOptions, Comparison, Difference, Live } from './types.js';

/**
 * One comparison for each record, in the order of the records: with what stands under its key in the database. Reads
 * only. Values are compared by digests, 16 to 24 bytes an element, so that neither side has to fit in memory; every
 * record's `rest` is read once, to its end, before the next record is asked for.
 *
 * Not compared, since no command sets it: a stream's entriesAdded, maxDeletedId and its groups' entriesRead, and pending
 * entries whose entry is not in the stream. The time at which a pending entry was delivered counts to the minute, since
 * Redis tells it only as time gone by. Of a big value that keeps changing while it is read, what was read counts.
 *
 * Throws what the port throws, `redis-command` when the database refuses to show a value, and the reason of `signal`.
 */
export async function* compareRecords(
  redis: RedisPort,
  records: AsyncIterable<TargetRecord>,
  options: CompareOptions,
): AsyncGenerator<Comparison> {
  const { inFlight } = options;
  const examined = pMapIterable(gather(records, options), (batch) => examine(redis, batch, options), {
    concurrency: inFlight,
    backpressure: inFlight * 2,
  });
  for await (const comparisons of examined) yield* comparisons;
}
