import type { Random } from './random.js';
import { changing, creating, type Argument, type Write } from './write.js';

/**
 * A stream with all that a stream can have: entries, some deleted again, so that its last id is of none that is left;
 * groups at different places, consumers with and without pending entries, some delivered more than once.
 */
export function* writeStream(random: Random, key: Argument): Generator<Write> {
  const count = random.chance(0.02) ? random.whole(1000, 2500) : random.whole(0, 12);
  yield creating(null, 'XGROUP', 'CREATE', key, 'readers', '0', 'MKSTREAM');
  const start = 1_760_000_000_000 + random.whole(0, 1e9);
  const ids = Array.from({ length: count }, (_, index) => `${start + Math.floor(index / 3)}-${index % 3}`);
  for (const id of ids) yield changing(null, 'XADD', key, id, ...fields(random));
  yield changing(null, 'XGROUP', 'CREATE', key, Buffer.from([0x67, 0xff]), ids[Math.floor(count / 2)] ?? '$');
  yield changing(null, 'XGROUP', 'CREATECONSUMER', key, 'readers', 'idle');
  yield* deliver(random, key, ids);
  // Only what nobody has pending goes: a pending entry whose message is gone cannot be written back.
  if (count > 5) yield changing(null, 'XDEL', key, ids.at(-1) ?? '');
}

function* deliver(random: Random, key: Argument, ids: readonly string[]): Generator<Write> {
  const half = Math.floor(ids.length / 2);
  const [first, second] = ids;
  if (half < 1 || first === undefined) return;
  const read = (consumer: string, count: number): Write =>
    changing(null, 'XREADGROUP', 'GROUP', 'readers', consumer, 'COUNT', String(count), 'STREAMS', key, '>');
  yield read('one', 1);
  if (half > 1) yield read('two 👀', half - 1);
  if (second !== undefined && half > 1 && random.chance(0.5)) yield changing(null, 'XACK', key, 'readers', second);
  yield changing(null, 'XCLAIM', key, 'readers', 'two 👀', '0', first, 'RETRYCOUNT', String(random.whole(2, 9)));
}

function fields(random: Random): Argument[] {
  const pairs = Array.from({ length: random.whole(1, 4) }, (_, index): Argument[] => [
    index === 0 ? 'kind' : `field ${index}`,
    random.chance(0.1) ? random.bytes(20) : random.text(random.whole(0, 80), 'abc def😀'),
  ]);
  return pairs.flat();
}
