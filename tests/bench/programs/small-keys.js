import { seededRandom } from '../../../dist/dev/data/random.js';
import { changeCommand, createCommand } from '../../../dist/dev/data/write.js';

const FAR_FUTURE = 4_102_444_800_000;
const SOME_TEXT = 'The quick brown fox jumps over the lazy dog; größer, 更大, 🦊 and so on, and so on. '.repeat(3);

/** @typedef {import('../../../dist/dev/data/random.js').Random} Random */

/** @type {readonly ((key: string, index: number, text: (most: number) => string) => import('../../../dist/dev/data/index.js').Write)[]} */
const KINDS = [
  (key, _index, text) => createCommand(null, 'SET', key, text(200)),
  (key, index) => createCommand(null, 'SET', key, String(index)),
  (key, index, text) => createCommand(null, 'HSET', key, 'id', String(index), 'name', text(30), 'note', text(80)),
  (key, index, text) => createCommand(null, 'SADD', key, String(index), text(40), `member:${index}`),
  (key, index, text) =>
    createCommand(null, 'ZADD', key, String(index / 7), text(40), '1763800000.123456', `item:${index}`),
  (key, _index, text) => createCommand(null, 'RPUSH', key, text(60), text(10), ''),
];

/**
 * This many keys of about 150 bytes, as most databases are full of; every tenth expires in the year 2100.
 * @param {number} count
 * @param {number} seed
 */
export function* smallKeys(count, seed) {
  const random = seededRandom(seed);
  const text = (/** @type {number} */ most) => {
    const from = random.whole(0, SOME_TEXT.length - most - 1);
    return SOME_TEXT.slice(from, from + random.whole(1, most));
  };
  for (let index = 0; index < count; index++) {
    const key = `small:${seed}:${index}`;
    const kind = KINDS[random.whole(0, KINDS.length - 1)];
    if (kind !== undefined) yield kind(key, index, text);
    if (index % 10 === 0) yield changeCommand(null, 'PEXPIREAT', key, String(FAR_FUTURE + index));
  }
}
