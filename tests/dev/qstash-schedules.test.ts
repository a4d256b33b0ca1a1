import { Client } from '@upstash/qstash';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { startQstash, type Qstash } from '../../dev/qstash/index.js';
import { openReceiver, type Receiver } from './fixtures/receiver.js';

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
