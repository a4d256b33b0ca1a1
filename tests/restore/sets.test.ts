import { describe, expect, it } from '@jest/globals';
import { bitReader, bitWriter } from '../../lib/restore/plan.js';
import { hashSet, keySet } from '../../lib/redis/key-sets.js';
import { indexBuilder, unpackIndex } from '../../lib/snapshot/part-index.js';
import fc from '../support/fast-check.js';

const key = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes));

describe('the sets of key hashes', () => {
  it('a hash set reports whether each key is new, like a Set, over many doublings', () => {
    const seen = hashSet();
    const expected = new Set<string>();
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 20_000; n++) {
        const name = `feedback:${n * 7919}`;
        expect(seen.add(Buffer.from(name))).toBe(!expected.has(name));
        expected.add(name);
      }
    }
  });

  it('a key set holds exactly the keys of the lines that are not superseded', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(key, { selector: (each) => each.toString('hex') }), async (keys) => {
        const builder = indexBuilder();
        keys.forEach((each, line) => builder.begin(each, 'string', line));
        const without = new Set(keys.flatMap((_, line) => (line % 3 === 0 ? [line] : [])));
        const index = unpackIndex(builder.build());
        const set = await keySet(
          (async function* () {
            yield await Promise.resolve({ index, without });
          })(),
        );
        expect(keys.map((each) => set.has(each))).toEqual(keys.map((_, line) => line % 3 !== 0));
        expect(set.size).toBe(keys.length - without.size);
        expect(set.has(Buffer.from('none of them is as long as this'))).toBe(false);
      }),
    );
  });

  it('bits are read back as written, and 0 beyond the end', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 100 }), (bits) => {
        const writer = bitWriter();
        for (const bit of bits) writer.push(bit);
        const read = bitReader(writer.base64());
        expect(bits.map((_, at) => read(at))).toEqual(bits);
        expect([read(bits.length), read(bits.length + 1000)]).toEqual([false, false]);
      }),
    );
  });
});
