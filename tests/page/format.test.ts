import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import {
  formatAge,
  bytes,
  costWords,
  count,
  formatDay,
  duration,
  formatEventTime,
  formatInstant,
  formatKnown,
  formatTimestamp,
  formatPercent,
  progressWords,
} from '../../page/words/format.js';

const MINUTE = 60_000;

describe('figures in words', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [1_048_570, '1.0 MiB'],
    [5_242_880, '5.0 MiB'],
  ])('writes %d bytes as %s', (value, words) => expect(bytes(value)).toBe(words));

  it('formats every time that Redis accepts, even beyond the range of dates', () => {
    expect(formatTimestamp(0, 'utc')).toBe('1970-01-01 00:00 UTC');
    for (const late of ['9223372036854775807', Number.MAX_SAFE_INTEGER])
      expect(formatTimestamp(late, 'utc')).toContain('after');
  });

  it('formats known, unknown and zero cost', () => {
    expect(costWords({ commands: 31_342, tokens: null, estimatedUsd: 0.062684 })).toBe(
      '31,342 commands of the database, at most $0.0627',
    );
    expect(costWords({ commands: null, tokens: 1200, estimatedUsd: null })).toBe(
      'about 1,200 tokens of the embedder, price not known',
    );
    expect(costWords({ commands: 0, tokens: null, estimatedUsd: 0 })).toBe('no commands of the database');
    expect(costWords(null)).toBe('not known');
  });

  it('never writes 1024 of a unit that has a next one', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (value) => !/^1024(\.0)? (B|KiB|MiB|GiB)$/.test(bytes(value))));
  });

  it.each([
    [0, '0.0 s'],
    [9999, '9.9 s'],
    [59_999, '59 s'],
    [93_000, '1 min 33 s'],
    [3_599_999, '59 min 59 s'],
    [11_520_000, '3 h 12 min'],
    [113_040_000, '31 h 24 min'],
    [172_800_000, '2 d 0 h'],
    [-5, '0.0 s'],
  ])('writes %d ms as %s', (value, words) => expect(duration(value)).toBe(words));

  it('never writes 60 s, 60 min or 24 h beside a larger unit', () => {
    fc.assert(
      fc.property(fc.nat(4_000_000_000), (ms) => !/(min 60 s|h 60 min|d 24 h|^60 s|^60 min)/.test(duration(ms))),
    );
  });

  it.each([
    [-2000, 'just now'],
    [4999, 'just now'],
    [42_000, '42 s ago'],
    [59 * MINUTE, '59 min ago'],
    [72 * MINUTE, '1 h 12 min ago'],
    [25 * 60 * MINUTE, '25 h ago'],
    [49 * 60 * MINUTE, '2 d ago'],
  ])('formats %d ms as %s', (value, words) => expect(formatAge(value)).toBe(words));

  it('never rounds a share to all or to nothing', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.integer({ min: 1, max: 1_000_000 }), (part, whole) => {
        expect(formatPercent(part, whole) === '100%').toBe(part >= whole);
        expect(formatPercent(part, whole) === '0%').toBe(part === 0);
      }),
    );
    expect([formatPercent(0, 0), formatPercent(3, 0)]).toEqual(['0%', '100%']);
  });

  it('formats instants in UTC, and leaves other text unchanged', () => {
    expect(formatInstant('2026-11-22T02:00:09.412Z')).toBe('2026-11-22 02:00 UTC');
    expect(formatInstant('never')).toBe('never');
  });

  it('formats events to the second, with the date unless it is today', () => {
    const now = Date.parse('2026-11-22T03:00:00Z');
    expect(formatEventTime('2026-11-22T02:00:09.412Z', 'utc', now)).toBe('02:00:09');
    expect(formatEventTime('2026-11-21T23:59:59Z', 'utc', now)).toBe('2026-11-21 23:59:59');
    expect(formatEventTime('2026-11-21T23:59:59Z', 'local', now)).toMatch(/^(2026-11-2[12] )?\d\d:\d\d:59$/);
    expect([
      formatEventTime('never', 'utc', now),
      formatDay('never', 'utc'),
      formatDay('2026-11-21T23:59:59Z', 'utc'),
    ]).toEqual(
      ['never', 'never', '2026-11-21'], // prettier-ignore
    );
  });

  it('distinguishes unknown from zero', () => {
    expect([formatKnown(null), formatKnown(0), formatKnown(1234), formatKnown(2048, bytes)]).toEqual([
      '–',
      '0',
      '1,234',
      '2.0 KiB',
    ]);
    expect(count(1_234_567)).toBe('1,234,567');
  });

  it('formats progress with and without a total', () => {
    expect(progressWords({ done: 1200, total: 4000, unit: 'keys', bytes: 5_242_880 })).toBe(
      '1,200 of 4,000 keys, 5.0 MiB',
    );
    expect(progressWords({ done: 3, total: null, unit: 'keys', bytes: 0 })).toBe('3 keys');
  });
});
