import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import {
  compareExpiry,
  fitsSet,
  isDue,
  MAX_KEY_EXPIRY,
  parseExpiry,
  sameExpiry,
  shiftExpiry,
  toArgument,
  type ExpiryTime,
} from '../../lib/snapshot/record.js';

const MAX = BigInt(MAX_KEY_EXPIRY);
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const edges = fc.constantFrom(0n, 1n, SAFE - 1n, SAFE, SAFE + 1n, SAFE + 2n, MAX - 1n, MAX);
const time = fc.oneof(edges, fc.bigInt({ min: 0n, max: MAX }), fc.bigInt({ min: SAFE - 5n, max: SAFE + 5n }));
const replyOf = (exact: bigint): number | bigint => (exact <= SAFE ? Number(exact) : exact);
const parsed = (exact: bigint): ExpiryTime => parseExpiry(replyOf(exact)) ?? 'none';

describe('times of expiry', () => {
  it('are read, stored as JSON and written exactly', () => {
    fc.assert(
      fc.property(time, (exact) => {
        const kept = JSON.parse(JSON.stringify(parsed(exact))) as ExpiryTime;
        expect(String(toArgument(kept))).toBe(String(exact));
        expect(typeof kept).toBe(exact <= SAFE ? 'number' : 'string');
        expect(parseExpiry(Buffer.from(String(exact)))).toBe(kept);
        expect(fitsSet(kept)).toBe(exact <= SAFE);
      }),
    );
  });

  it('are compared and added to exactly', () => {
    fc.assert(
      fc.property(time, time, fc.integer({ min: 0, max: 2 ** 45 }), (a, b, ms) => {
        expect(Math.sign(compareExpiry(parsed(a), parsed(b)))).toBe(a < b ? -1 : a > b ? 1 : 0);
        expect(sameExpiry(parsed(a), parsed(b))).toBe(a === b);
        const later = a + BigInt(ms);
        expect(String(toArgument(shiftExpiry(parsed(a), ms)))).toBe(String(later > MAX ? MAX : later));
        expect(isDue(parsed(a), ms)).toBe(a <= BigInt(ms));
      }),
    );
  });

  it.each([-1, -2, null, Buffer.from('-1'), Buffer.from('1.5'), Buffer.from(''), [], undefined])(
    'are none in %p',
    (reply) => {
      expect(parseExpiry(reply)).toBeNull();
    },
  );

  it('that an earlier version rounded up to 2^63 are read as the maximum', () => {
    const rounded = JSON.parse('9223372036854775807') as number;
    expect(toArgument(rounded)).toBe(MAX_KEY_EXPIRY);
    expect(sameExpiry(rounded, MAX_KEY_EXPIRY)).toBe(true);
    expect(isDue(rounded, Date.now())).toBe(false);
  });

  it('distinguish no expiry from an expiry', () => {
    expect(sameExpiry(undefined, undefined)).toBe(true);
    expect(sameExpiry(undefined, 0)).toBe(false);
  });
});
