import type { Random } from './random.js';
import { changeCommand, createCommand, type Argument, type Write } from './write.js';

/**
 * A stream with every feature: entries, a deleted last entry, groups at different positions, consumers with and without
 * pending entries, and entries delivered more than once.
 */
export function* writeStream(random: Random, key: Argument): Generator<Write> {
  const count = random.chance(0.02) ? random.whole(1000, 2500) : random.whole(0, 12);
  yield createCommand(null, 'XGROUP', 'CREATE', key, 'readers', '0', 'MKSTREAM');
  const start = 1_760_000_000_000 + random.whole(0, 1e9);
  const ids = Array.from({ length: count }, (_, index) => `${start + Math.floor(index / 3)}-${index % 3}`);
  for (const id of ids) yield changeCommand(null, 'XADD', key, id, ...fields(random));
  yield changeCommand(null, 'XGROUP', 'CREATE', key, Buffer.from([0x67, 0xff]), ids[Math.floor(count / 2)] ?? '$');
  yield changeCommand(null, 'XGROUP', 'CREATECONSUMER', key, 'readers', 'idle');
  yield* deliver(random, key, ids);
  // Only an entry that is not pending is deleted: a pending entry without its message cannot be restored.
  if (count > 5) yield changeCommand(null, 'XDEL', key, ids.at(-1) ?? '');
}

function* deliver(random: Random, key: Argument, ids: readonly string[]): Generator<Write> {
  const half = Math.floor(ids.length / 2);
  const [first, second] = ids;
  if (half < 1 || first === undefined) return;
  const read = (consumer: string, count: number): Write =>
    changeCommand(null, 'XREADGROUP', 'GROUP', 'readers', consumer, 'COUNT', String(count), 'STREAMS', key, '>');
  yield read('one', 1);
  if (half > 1) yield read('two 👀', half - 1);
  if (second !== undefined && half > 1 && random.chance(0.5)) yield changeCommand(null, 'XACK', key, 'readers', second);
  yield changeCommand(null, 'XCLAIM', key, 'readers', 'two 👀', '0', first, 'RETRYCOUNT', String(random.whole(2, 9)));
}

function fields(random: Random): Argument[] {
  const pairs = Array.from({ length: random.whole(1, 4) }, (_, index): Argument[] => [
    index === 0 ? 'kind' : `field ${index}`,
    random.chance(0.1) ? random.bytes(20) : random.text(random.whole(0, 80), 'abc def😀'),
  ]);
  return pairs.flat();
}
