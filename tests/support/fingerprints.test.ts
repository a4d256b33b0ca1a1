import { describe, expect, it } from '@jest/globals';
import fc from './fast-check.js';
import { fingerprints } from './fingerprints.js';

const MASK = (1n << 64n) - 1n;
const hash = fc.oneof(
  fc.bigInt(0n, MASK),
  fc.bigInt(1n, 40n),
  fc.bigInt(1n, 40n).map((low) => low << 12n),
);

describe('fingerprints', () => {
  it('keeps what a Map keeps, through growth and collisions', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(hash, hash), { maxLength: 200 }), (entries) => {
        const table = fingerprints(2);
        const map = new Map<bigint, bigint>();
        for (const [key, value] of entries) {
          table.set(key, value);
          map.set(key || 1n, value);
          expect(table.get(key)).toBe(value);
        }
        for (const [key, value] of map) expect(table.get(key)).toBe(value);
        expect(table.size).toBe(map.size);
        expect([...table.values()].sort()).toEqual([...map.values()].sort());
      }),
    );
  });

  it('has nothing for a key that was never set', () => {
    const table = fingerprints();
    table.set(5n, 1n);
    expect(table.get(5n + 1024n)).toBeUndefined();
  });
});
