import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import {
  ago,
  bytes,
  costWords,
  count,
  day,
  duration,
  eventTime,
  instant,
  known,
  moment,
  percent,
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

  it('has words for every time that Redis takes, also where no calendar has a date', () => {
    expect(moment(0, 'utc')).toBe('1970-01-01 00:00 UTC');
    for (const late of ['9223372036854775807', Number.MAX_SAFE_INTEGER]) expect(moment(late, 'utc')).toContain('after');
  });

  it('tells what was spent, what is not known, and nothing', () => {
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
  ])('tells %d ms as %s', (value, words) => expect(ago(value)).toBe(words));

  it('never rounds a share to all or to nothing', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.integer({ min: 1, max: 1_000_000 }), (part, whole) => {
        expect(percent(part, whole) === '100%').toBe(part >= whole);
        expect(percent(part, whole) === '0%').toBe(part === 0);
      }),
    );
    expect([percent(0, 0), percent(3, 0)]).toEqual(['0%', '100%']);
  });

  it('tells instants in UTC, and what is none as it is', () => {
    expect(instant('2026-11-22T02:00:09.412Z')).toBe('2026-11-22 02:00 UTC');
    expect(instant('never')).toBe('never');
  });

  it('tells events by the second, with the day where that is not today', () => {
    const now = Date.parse('2026-11-22T03:00:00Z');
    expect(eventTime('2026-11-22T02:00:09.412Z', 'utc', now)).toBe('02:00:09');
    expect(eventTime('2026-11-21T23:59:59Z', 'utc', now)).toBe('2026-11-21 23:59:59');
    expect(eventTime('2026-11-21T23:59:59Z', 'local', now)).toMatch(/^(2026-11-2[12] )?\d\d:\d\d:59$/);
    expect([eventTime('never', 'utc', now), day('never', 'utc'), day('2026-11-21T23:59:59Z', 'utc')]).toEqual(
      ['never', 'never', '2026-11-21'], // prettier-ignore
    );
  });

  it('tells what is not known apart from nothing', () => {
    expect([known(null), known(0), known(1234), known(2048, bytes)]).toEqual(['–', '0', '1,234', '2.0 KiB']);
    expect(count(1_234_567)).toBe('1,234,567');
  });

  it('tells progress with and without an end', () => {
    expect(progressWords({ done: 1200, total: 4000, unit: 'keys', bytes: 5_242_880 })).toBe(
      '1,200 of 4,000 keys, 5.0 MiB',
    );
    expect(progressWords({ done: 3, total: null, unit: 'keys', bytes: 0 })).toBe('3 keys');
  });
});
