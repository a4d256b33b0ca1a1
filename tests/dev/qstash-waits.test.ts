import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import {
  evaluateDelay,
  parseRequestedWait,
  defaultBackoff,
  parseDuration,
  readMessage,
} from '../../dev/qstash/message.js';

describe('evaluateDelay', () => {
  it.each([
    ['1000', 3, 1000],
    ['1000 * (1 + retried)', 2, 3000],
    ['pow(2, retried) * 1000', 3, 8000],
    ['max(1000, pow(2, retried) * 100)', 1, 1000],
    ['max(1000, pow(2, retried) * 100)', 5, 3200],
    ['floor(10 / 4) - 1', 0, 1],
    ['2 + 3 * 4 - 6 / 2', 0, 11],
    ['-5', 0, 0],
    ['min(1.5, round(2.4), ceil(0.2), abs(-3))', 0, 1],
  ])('%s with %i retries is %d', (expression, retried, value) => {
    expect(evaluateDelay(expression, retried)).toBe(value);
  });

  it.each(['', '1 +', 'pow(2', 'sleep(1)', 'constructor(1)', '1 2', 'retried()', '0 / 0', 'process', '(1'])(
    'refuses %j',
    (expression) => expect(() => evaluateDelay(expression, 0)).toThrow(SyntaxError),
  );

  it('multiplies before it adds, whatever the numbers', () => {
    const products = fc.array(fc.array(fc.nat(50), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(products, (terms) => {
        const expression = terms.map((factors) => factors.join(' * ')).join(' + ');
        const sum = terms.reduce(
          (total, factors) => total + factors.reduce((product, factor) => product * factor, 1),
          0,
        );
        expect(evaluateDelay(expression, 0)).toBe(sum);
      }),
    );
  });
});

describe('waits', () => {
  it('back off as the vendor’s table says', () => {
    expect([1, 2, 3, 4, 5, 6].map((n) => defaultBackoff(n) / 1000)).toEqual([12, 148, 1808, 22026, 86400, 86400]);
  });

  it.each([
    ['30s', 30_000],
    ['6m5s', 365_000],
    ['1h30m', 5_400_000],
    ['250ms', 250],
    ['7', 7000],
    ['1d', 86_400_000],
    ['soon', null],
    ['5 apples', null],
    ['', null],
  ])('read %j as %p', (text, value) => expect(parseDuration(text)).toBe(value));

  it('read Retry-After as seconds, a duration or a date', () => {
    const now = Date.parse('2026-11-22T02:00:00Z');
    expect(parseRequestedWait({ 'retry-after': '10' }, now)).toBe(10_000);
    expect(parseRequestedWait({ 'retry-after': '0' }, now)).toBe(0);
    expect(parseRequestedWait({ 'retry-after': 'Sun, 22 Nov 2026 02:01:00 GMT' }, now)).toBe(60_000);
    expect(parseRequestedWait({ 'retry-after': 'Sun, 22 Nov 2026 01:00:00 GMT' }, now)).toBe(0);
    expect(parseRequestedWait({ 'x-ratelimit-reset-tokens': '1m' }, now)).toBe(60_000);
  });

  it('leave the backoff in force when a reply asks for nothing, nonsense or more than a day', () => {
    expect(parseRequestedWait({}, 0)).toBeNull();
    expect(parseRequestedWait({ 'retry-after': 'later' }, 0)).toBeNull();
    expect(parseRequestedWait({ 'retry-after': '86401' }, 0)).toBeNull();
  });
});

describe('readMessage', () => {
  const read = (headers: Record<string, string>, body = 'x') => readMessage('http://a/', headers, Buffer.from(body));

  it.each([
    { 'upstash-retries': '4' },
    { 'upstash-retries': 'many' },
    { 'upstash-delay': 'soon' },
    { 'upstash-delay': '8d' },
    { 'upstash-not-before': 'tomorrow' },
    { 'upstash-timeout': 'x' },
    { 'upstash-flow-control-key': 'k' },
    { 'upstash-flow-control-key': 'k', 'upstash-flow-control-value': 'parallelism=0' },
    { 'upstash-callback': 'nowhere' },
  ])('refuses %j', (headers) => expect(() => read(headers)).toThrow());

  it('refuses a body of more than a megabyte', () => {
    expect(() => read({}, 'x'.repeat(1024 * 1024 + 1))).toThrow('maximum size');
    expect(read({}, 'x'.repeat(1024 * 1024)).body).toHaveLength(1024 * 1024);
  });

  it('takes not-before as a Unix time in seconds', () => {
    const inAnHour = Math.floor(Date.now() / 1000) + 3600;
    expect(read({ 'upstash-not-before': String(inAnHour) }).delayMs).toBeGreaterThan(3_500_000);
    expect(read({ 'upstash-not-before': '1000' }).delayMs).toBe(0);
  });
});
