import { Client } from '@upstash/qstash';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { qstashQueue, qstashSchedules } from '../../lib/services/qstash.js';
import { scheduleCheck, schedulerChecks } from '../../lib/monitoring/checks.js';
import { examine, type CheckGroup, type CheckResult } from '../../lib/health/doctor.js';
import { ensureSchedule, SCHEDULE_CRON } from '../../lib/monitoring/schedulers.js';
import { startQstash, type Qstash } from '../../dev/qstash/index.js';
import type { Schedules } from '../../lib/ports/queue.js';
import { openReceiver, type Receiver } from '../dev/fixtures/receiver.js';

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

describe('the schedule of the guard', () => {
  it('is created once, kept, and corrected if it is wrong', async () => {
    expect([await ensureSchedule(schedules, wanted()), await ensureSchedule(schedules, wanted())]).toEqual([
      'made',
      'kept',
    ]);
    expect(qstash.schedules()).toMatchObject([{ scheduleId: ID, cron: SCHEDULE_CRON, method: 'POST', retries: 1 }]);
    for (const wrong of [{ cron: '0 0 * * *' }, { destination: 'https://old.example/api/schedules/guard' }]) {
      await schedules.put({ ...wanted(), ...wrong });
      expect(await ensureSchedule(schedules, wanted())).toBe('corrected');
    }
    expect(qstash.schedules()).toMatchObject([wanted()].map(({ cron, destination }) => ({ cron, destination })));
    // Another deployment of the same account has its own.
    expect(await ensureSchedule(schedules, { ...wanted(), id: 'other' })).toBe('made');
    expect(qstash.schedules()).toHaveLength(2);
  });

  it('is left paused, and doctor warns', async () => {
    await ensureSchedule(schedules, wanted());
    await client.schedules.pause({ schedule: ID });
    expect(await ensureSchedule(schedules, wanted())).toBe('paused');
    expect(qstash.fireSchedule(ID)).toBe(false);
    expect(await results([[scheduleCheck(() => schedules, wanted())]])).toMatchObject([
      { name: 'queue-schedule', status: 'warn', detail: expect.stringContaining('is paused') as unknown },
    ]);
    await client.schedules.resume({ schedule: ID });
    expect(await results([[scheduleCheck(() => schedules, wanted())]])).toMatchObject([{ status: 'ok' }]);
  });

  it('is called with a signature over the address of the guard', async () => {
    await ensureSchedule(schedules, wanted());
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
    await expect(ensureSchedule(denied, wanted())).rejects.toMatchObject({ code: 'queue-denied' });
    for (let number = 0; number < 10; number++) await schedules.put({ ...wanted(), id: `n${number}` });
    await expect(ensureSchedule(schedules, wanted())).rejects.toMatchObject({ code: 'queue-unavailable' });
    expect(await results([[scheduleCheck(() => schedules, wanted())]])).toMatchObject([{ status: 'fail' }]);
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
