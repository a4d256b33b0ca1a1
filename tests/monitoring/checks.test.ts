import { describe, expect, it, afterEach, beforeEach } from '@jest/globals';
import { Client } from '@upstash/qstash';
import { alertChecks, scheduleCheck, schedulerChecks } from '../../lib/monitoring/checks.js';
import type { DeliveryState } from '../../lib/monitoring/state.js';
import { systemClock } from '../../lib/services/clock.js';
import { inProcessQueue } from '../../lib/app/in-process.js';
import { qstashQueue, type QstashQueueOptions, qstashSchedules } from '../../lib/services/qstash.js';
import { serveHttp } from '../../dev/stand-in-server.js';
import { startQstash, type Qstash } from '../../dev/qstash/index.js';
import type { Queue, Schedules } from '../../lib/ports/queue.js';
import { examine, type CheckGroup, type CheckResult } from '../../lib/health/doctor.js';
import { scheduleStep } from '../../lib/monitoring/guard/steps.js';
import { ensureSchedule, SCHEDULE_CRON } from '../../lib/monitoring/schedulers.js';
import { openReceiver, type Receiver } from '../dev/fixtures/receiver.js';

const NOW = Date.parse('2026-11-26T12:00:00Z');
const ADDRESS = 'a hash of the address';
const ago = (hours: number): string => new Date(NOW - hours * 3_600_000).toISOString();

/** What the check says where the last message went so, and how many test messages it sends for that. */
async function looked(last: DeliveryState | null): Promise<readonly [status: string, sent: number]> {
  let sent = 0;
  const [check] = alertChecks({
    open: () => ({ reach: () => Promise.resolve(), address: ADDRESS }),
    last: () => Promise.resolve(last),
    test: () => {
      sent += 1;
      return Promise.resolve({ at: ago(0), outcome: 'delivered', milliseconds: 5, error: null });
    },
    now: () => NOW,
  });
  const { status } = (await check?.run()) ?? { status: 'no check' };
  return [status, sent];
}

const failure = (outcome: 'failed' | 'unknown', hours: number): DeliveryState => ({
  to: ADDRESS,
  lastSentAt: ago(1000),
  lastFailure: { at: ago(hours), outcome, code: 'alert-unavailable', message: 'no answer in time', hint: 'Look.' },
});

describe('the check of the alert channel', () => {
  it.each([
    ['was delivered within a month', { to: ADDRESS, lastSentAt: ago(24), lastFailure: null }, ['ok', 0]],
    ['was delivered to another address', { to: 'another', lastSentAt: ago(24), lastFailure: null }, ['ok', 1]],
    ['was never sent', { to: null, lastSentAt: null, lastFailure: null }, ['ok', 1]],
    ['did not arrive', failure('failed', 1), ['ok', 1]],
    ['may have arrived at a slow receiver', failure('unknown', 1), ['fail', 0]],
    ['may have arrived more than a day ago', failure('unknown', 25), ['ok', 1]],
    ['cannot be told, since the store does not answer', null, ['warn', 0]],
  ] as const)('where the last message %s', async (_, last, expected) => {
    expect(await looked(last)).toEqual(expected);
  });
});

describe('the queue', () => {
  let qstash: Qstash;
  beforeEach(async () => (qstash = await startQstash()));
  afterEach(() => qstash.stop());

  function queue(changed: Partial<QstashQueueOptions> = {}): Queue {
    const { url, token, currentSigningKey, nextSigningKey } = qstash;
    const retry = { attempts: 2, baseMs: 1, capMs: 5 };
    const base = { url, token, currentSigningKey, nextSigningKey, endpoint: 'https://x.example/api/tasks', retry };
    return qstashQueue({ ...base, clock: systemClock(), ...changed });
  }

  describe('health of a queue', () => {
    it('distinguishes current keys, keys one rotation behind, and keys of another service', async () => {
      const ours = queue();
      expect(await ours.health()).toEqual({ signingKeys: 'same' });
      qstash.rotateKeys();
      expect(await ours.health()).toEqual({ signingKeys: 'stale' });
      qstash.rotateKeys();
      expect(await ours.health()).toEqual({ signingKeys: 'different' });
      expect(await inProcessQueue().health()).toEqual({ signingKeys: 'none' });
    });

    it('throws what publishing would', async () => {
      await expect(queue({ token: 'wrong' }).health()).rejects.toMatchObject({ code: 'queue-denied' });
      const { url } = qstash;
      await qstash.stop();
      await expect(queue({ url }).health()).rejects.toMatchObject({ code: 'queue-unavailable', transient: true });
    });

    it.each([
      [200, '{"current":"only"}', false],
      [200, 'sig_secret, not JSON', false],
      [503, 'down', true],
    ])('treats status %d with %j as unavailable', async (status, body, transient) => {
      const server = await serveHttp((_, response) => response.writeHead(status).end(body));
      const error: unknown = await queue({ url: server.url })
        .health()
        .catch((thrown: unknown) => thrown);
      await server.stop();
      expect(error).toMatchObject({ code: 'queue-unavailable', transient });
      expect(String(error)).not.toContain('sig_secret');
    });
  });
});

describe("with QStash's stand-in", () => {
  let receiver: Receiver;
  let qstash: Qstash;
  let schedules: Schedules;
  let client: Client;
  beforeEach(async () => {
    receiver = await openReceiver();
    qstash = await startQstash({ speed: 100_000 });
    const { token, url } = qstash;
    schedules = qstashSchedules({ url, token, clock: systemClock(), retry: { attempts: 1, baseMs: 1, capMs: 1 } });
    client = new Client({ baseUrl: url, token, devMode: false, enableTelemetry: false, retry: false });
  });
  afterEach(async () => {
    await qstash.stop();
    await receiver.close();
  });

  const ID = 'soulcaster-backup-guard-1a2b3c4d';
  const wanted = () => ({ id: ID, destination: `${receiver.url}/api/schedules/guard`, cron: SCHEDULE_CRON });

  async function results(groups: readonly CheckGroup[]): Promise<CheckResult[]> {
    const all: CheckResult[] = [];
    for await (const result of examine(systemClock(), groups)) all.push(result);
    return all;
  }

  const answers = (): Promise<boolean> => Promise.resolve(true);

  describe('the schedule of the guard', () => {
    it('is not moved to an address at which the functions do not answer', async () => {
      const silent = (): Promise<boolean> => Promise.resolve(false);
      await ensureSchedule(schedules, wanted(), answers);
      const moved = { ...wanted(), destination: 'https://typo.example/api/schedules/guard' };
      expect(await ensureSchedule(schedules, moved, silent)).toBe('left-unchanged');
      expect(await results([[scheduleCheck(() => schedules, moved, silent)]])).toMatchObject([{ status: 'fail' }]);
      expect(await scheduleStep({ schedule: { open: () => schedules, wanted: moved, answers: silent } })).toEqual({
        state: 'left-unchanged',
        'no-answer-at': moved.destination,
      });
      expect(qstash.schedules()).toMatchObject([{ destination: wanted().destination }]);
      // The time alone is corrected without a request.
      expect(await ensureSchedule(schedules, { ...wanted(), cron: '1 * * * *' }, silent)).toBe('corrected');
    });

    it('is created once, kept, and corrected if it is wrong', async () => {
      expect([
        await ensureSchedule(schedules, wanted(), answers),
        await ensureSchedule(schedules, wanted(), answers),
      ]).toEqual(['made', 'kept']);
      expect(qstash.schedules()).toMatchObject([{ scheduleId: ID, cron: SCHEDULE_CRON, method: 'POST', retries: 1 }]);
      for (const wrong of [{ cron: '0 0 * * *' }, { destination: 'https://old.example/api/schedules/guard' }]) {
        await schedules.put({ ...wanted(), ...wrong });
        expect(await ensureSchedule(schedules, wanted(), answers)).toBe('corrected');
      }
      expect(qstash.schedules()).toMatchObject([wanted()].map(({ cron, destination }) => ({ cron, destination })));
      // Another deployment of the same account has its own.
      expect(await ensureSchedule(schedules, { ...wanted(), id: 'other' }, answers)).toBe('made');
      expect(qstash.schedules()).toHaveLength(2);
    });

    it('is left paused, and doctor warns', async () => {
      await ensureSchedule(schedules, wanted(), answers);
      await client.schedules.pause({ schedule: ID });
      expect(await ensureSchedule(schedules, wanted(), answers)).toBe('paused');
      expect(qstash.fireSchedule(ID)).toBe(false);
      expect(await results([[scheduleCheck(() => schedules, wanted(), answers)]])).toMatchObject([
        { name: 'queue-schedule', status: 'warn', detail: expect.stringContaining('is paused') as unknown },
      ]);
      await client.schedules.resume({ schedule: ID });
      expect(await results([[scheduleCheck(() => schedules, wanted(), answers)]])).toMatchObject([{ status: 'ok' }]);
    });

    it('is called with a signature over the address of the guard', async () => {
      await ensureSchedule(schedules, wanted(), answers);
      expect(qstash.fireSchedule(ID)).toBe(true);
      await qstash.idle();
      const [got] = receiver.received;
      expect(got).toMatchObject({ path: '/api/schedules/guard', method: 'POST' });
      const { currentSigningKey, nextSigningKey, token, url } = qstash;
      const endpoint = `${receiver.url}/api/tasks`;
      const queue = qstashQueue({ url, token, currentSigningKey, nextSigningKey, endpoint, clock: systemClock() });
      const delivery = { body: got?.body.toString() ?? '', signature: String(got?.headers['upstash-signature']) };
      expect(await queue.verify({ ...delivery, url: wanted().destination })).toBe(true);
      // Neither for tasks, nor over another body.
      expect(await queue.verify(delivery)).toBe(false);
      expect(await queue.verify({ ...delivery, body: '{"x":1}', url: wanted().destination })).toBe(false);
    });

    it('cannot be created with a wrong token, nor beyond the limit of the plan', async () => {
      const denied = qstashSchedules({ url: qstash.url, token: 'wrong', clock: systemClock() });
      await expect(ensureSchedule(denied, wanted(), answers)).rejects.toMatchObject({ code: 'queue-denied' });
      for (let number = 0; number < 10; number++) await schedules.put({ ...wanted(), id: `n${number}` });
      await expect(ensureSchedule(schedules, wanted(), answers)).rejects.toMatchObject({ code: 'queue-unavailable' });
      expect(await results([[scheduleCheck(() => schedules, wanted(), answers)]])).toMatchObject([{ status: 'fail' }]);
    });
  });

  describe('doctor on schedulers', () => {
    const NOW = Date.parse('2026-11-22T14:00:00Z');
    const at = (hours: number): string => new Date(NOW - hours * 3_600_000).toISOString();
    it.each<[string, string | null, CheckResult['status']]>([
      ['heard of', at(2), 'ok'],
      ['silent', at(27), 'fail'],
      ['not heard of yet', null, 'warn'],
    ])('reports one that was %s', async (_, lastAt, status) => {
      const callers = { cron: { since: at(3), lastAt }, schedule: null, operator: null };
      const known = () => Promise.resolve({ callers, lastRunAt: at(2) });
      const [result] = await results(schedulerChecks(['cron'], known, () => NOW));
      expect(result).toMatchObject({ name: 'guard-cron', status });
    });

    it('is skipped without the store', async () => {
      const all = await results(
        schedulerChecks(
          ['cron', 'schedule'],
          () => Promise.resolve(null),
          () => NOW,
        ),
      );
      expect(all.map(({ name, status }) => `${name} ${status}`)).toEqual([
        'guard-cron skipped',
        'guard-schedule skipped',
      ]);
    });
  });
});
