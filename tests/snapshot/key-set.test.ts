import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { keySetOf } from '../../lib/redis/key-sets.js';

const MOST = 2n ** 64n - 1n;
/** Many that share a half with others. */
const hash = fc.oneof(
  fc.bigInt({ min: 0n, max: MOST }),
  fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 3 })).map(([high, low]) => (BigInt(high) << 32n) + BigInt(low)),
  fc.constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n, MOST),
);

describe('a set of keys by their hashes', () => {
  it('finds the place of each hash, and no other', () => {
    fc.assert(
      fc.property(fc.array(hash, { maxLength: 40 }), fc.array(hash, { maxLength: 5 }), (hashes, others) => {
        const sorted = [...new Set(hashes)].sort((a, b) => (a < b ? -1 : 1));
        const set = keySetOf(BigUint64Array.from(hashes));
        expect(set.size).toBe(sorted.length);
        for (const each of [...hashes, ...others]) expect(set.placeOf(each)).toBe(sorted.indexOf(each));
        expect(sorted.map((_, place) => set.at(place))).toEqual(sorted);
      }),
      { numRuns: 500 },
    );
  });
});
