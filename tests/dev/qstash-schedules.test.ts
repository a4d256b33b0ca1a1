import { describe, expect, it, afterEach, beforeEach, jest } from '@jest/globals';
import { Client } from '@upstash/qstash';
import fc from '../support/fast-check.js';
import {
  evaluateDelay,
  parseRequestedWait,
  defaultBackoff,
  parseDuration,
  readMessage,
} from '../../dev/qstash/message.js';
import { startQstash, type Qstash } from '../../dev/qstash/index.js';
import { openReceiver, type Receiver } from './fixtures/receiver.js';

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

let receiver: Receiver;
let qstash: Qstash;
let client: Client;
beforeEach(async () => {
  jest.spyOn(console, 'error').mockImplementation(() => undefined);
  receiver = await openReceiver();
  qstash = await startQstash({ speed: 100_000 });
  client = new Client({ baseUrl: qstash.url, token: qstash.token, devMode: false, retry: false });
});
afterEach(async () => {
  await qstash.stop();
  await receiver.close();
  jest.restoreAllMocks();
});

const make = (changes: object = {}) =>
  client.schedules.create({ destination: `${receiver.url}/a?b=1`, cron: '17 * * * *', body: '{"n":1}', ...changes });

describe('schedules of the stand-in', () => {
  it('are created, returned, listed, replaced and removed', async () => {
    const { scheduleId } = await make({ scheduleId: 'mine', headers: { 'x-extra': 'yes' } });
    expect(scheduleId).toBe('mine');
    const shown = await client.schedules.get('mine');
    expect(shown).toMatchObject({
      cron: '17 * * * *',
      destination: `${receiver.url}/a?b=1`,
      isPaused: false,
      retries: 3,
    });
    expect(new Date(shown.nextScheduleTime ?? 0).getUTCMinutes()).toBe(17);
    await make({ scheduleId: 'mine', cron: 'CRON_TZ=Asia/Tokyo 0 4 * * *' });
    expect((await client.schedules.list()).map(({ cron }) => cron)).toEqual(['CRON_TZ=Asia/Tokyo 0 4 * * *']);
    expect((await client.schedules.get('mine')).nextScheduleTime).toEqual(expect.any(Number));
    await client.schedules.delete('mine');
    await expect(client.schedules.get('mine')).rejects.toMatchObject({ status: 404 });
    await expect(client.schedules.delete('mine')).rejects.toMatchObject({ status: 404 });
  });

  it('publish a message each time, with its headers and body, and none while they are paused', async () => {
    await make({ scheduleId: 'mine', headers: { 'x-extra': 'yes' }, method: 'PUT' });
    expect([qstash.fireSchedule('mine'), qstash.fireSchedule('mine'), qstash.fireSchedule('other')]).toEqual([
      true,
      true,
      false,
    ]);
    await client.schedules.pause({ schedule: 'mine' });
    expect(qstash.fireSchedule('mine')).toBe(false);
    await client.schedules.resume({ schedule: 'mine' });
    await qstash.idle();
    expect(
      receiver.received.map(({ body, headers, method, path }) => [method, path, body.toString(), headers['x-extra']]),
    ).toEqual(Array.from({ length: 2 }, () => ['PUT', '/a?b=1', '{"n":1}', 'yes']));
    expect((await client.schedules.get('mine')).lastScheduleTime).toEqual(expect.any(Number));
  });

  it('are refused without a token, with an invalid cron, with more retries than the plan allows, and beyond ten', async () => {
    const stranger = new Client({ baseUrl: qstash.url, token: 'x', devMode: false, retry: false });
    await expect(stranger.schedules.list()).rejects.toMatchObject({ status: 401 });
    for (const cron of ['', '* * *', '61 * * * *', '0 0 * * * *'])
      await expect(make({ cron })).rejects.toMatchObject({ status: 400 });
    await expect(make({ retries: 4 })).rejects.toMatchObject({ status: 400 });
    for (let number = 0; number < 10; number++) await make({ scheduleId: `n${number}` });
    await expect(make()).rejects.toMatchObject({ status: 412 });
    await expect(make({ scheduleId: 'n3' })).resolves.toEqual({ scheduleId: 'n3' });
  });

  it('fire by the clock on request', async () => {
    await qstash.stop();
    // A timer that was set for the next full minute is over when time says so.
    jest.useFakeTimers({
      doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'],
      now: Date.parse('2026-11-22T14:16:59Z'),
    });
    const timed = await startQstash({ timedSchedules: true });
    const headers = {
      authorization: `Bearer ${timed.token}`,
      'upstash-cron': '17 * * * *',
      'upstash-schedule-id': 'm',
    };
    await fetch(`${timed.url}/v2/schedules/${receiver.url}/x`, { method: 'POST', headers });
    await jest.advanceTimersByTimeAsync(2000);
    expect(timed.schedules()).toMatchObject([{ lastScheduleTime: Date.parse('2026-11-22T14:17:00Z') }]);
    jest.useRealTimers();
    await timed.stop();
    qstash = await startQstash();
  });
});
