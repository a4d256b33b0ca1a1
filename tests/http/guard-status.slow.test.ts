import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { silentLog } from '../../lib/app/in-process.js';
import { storeApp } from '../../lib/app/app.js';
import { connect } from '../../lib/app/connect.js';
import { nightlyStack, type NightlyStack } from '../e2e/nightly-stack.js';
import { startReceiver, type Receiver } from '../monitoring/world/parts.js';

let receiver: Receiver;
let nightly: NightlyStack;
beforeAll(async () => {
  receiver = await startReceiver(() => Date.now());
  const variables = { ALERT_WEBHOOK_URL: receiver.alertUrl, HEARTBEAT_URL: receiver.heartbeatUrl };
  nightly = await nightlyStack({ items: 40, mixed: 0 }, { variables, functions: { onLog: () => undefined } });
});
afterAll(async () => {
  await nightly.stack.stop();
  await receiver.stop();
});

const guard = async () => {
  const answer = await nightly.stack.functions.fireCron('/api/cron/guard');
  return { status: answer.status, body: (await answer.json()) as GuardAnswer };
};
interface GuardAnswer {
  readonly outcome: string;
  readonly steps: { name: string; state: string; summary: Record<string, unknown> }[];
  readonly alerts: { code: string; subject: string }[];
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((wake) => setTimeout(wake, 100));
}

describe('the guard and the status', () => {
  it('report a database without a snapshot, take one, drill with it, and report that all is ok', async () => {
    const { stack } = nightly;
    const call = (path: string) => nightly.call(path);
    const admin = (path: string) => nightly.admin(path);
    expect([(await call('/api/status')).status, await (await call('/api/status')).json()]).toEqual([
      503,
      { state: 'degraded', at: expect.any(String), label: null },
    ]);

    const first = await guard();
    // Told before it is healed, whether the snapshot is done by the end of the turn or not.
    expect(first).toMatchObject({ status: 200, body: { sent: expect.any(Number) as unknown } });
    expect(first.body.steps.map(({ name, state }) => `${name} ${state}`)).toEqual(
      ['resume', 'snapshot', 'chain', 'drill', 'schedule', 'checks', 'upkeep'].map((name) => `${name} done`),
    );
    const started = first.body.steps.find(({ name }) => name === 'snapshot')?.summary;
    expect(started).toMatchObject({ state: 'started' });
    await nightly.finished(String(started?.['run']));
    // The end of the run is told of at once, not by the next guard.
    await until(() => Promise.resolve(receiver.open().size === 0 && receiver.pings.length === 3));
    expect(receiver.messages.flatMap(({ alerts }) => alerts.map(({ event }) => event))).toEqual([
      'opened',
      'recovered',
    ]);
    expect(JSON.stringify(receiver.messages)).not.toMatch(/secret-of-the-hook/);

    const second = await guard();
    const drill = second.body.steps.find(({ name }) => name === 'drill')?.summary;
    expect([second.body.outcome, drill]).toMatchObject(['ok', { state: 'started' }]);
    expect((await nightly.finished(String(drill?.['run']))).result).toMatchObject({ outcome: 'passed' });

    const early = await admin('/api/status');
    // The cron has called, and has made the schedule, which has not.
    expect([early.status, await early.json()]).toMatchObject([
      503,
      { state: 'unknown', watched: { state: 'unknown', schedulers: [{ state: 'heard' }, { state: 'unknown' }] } },
    ]);
    const [schedule] = stack.queue.schedules();
    const address = `${stack.urls.functions}/api/schedules/guard`;
    expect(schedule).toMatchObject({ cron: '17 * * * *', destination: address, isPaused: false });
    for (const headers of [{}, { 'upstash-signature': 'x.y.z' }])
      expect((await fetch(address, { method: 'POST', body: '{}', headers })).status).toBe(401);
    expect(stack.queue.fireSchedule(String(schedule?.['scheduleId']))).toBe(true);
    const called = () => stack.queue.deliveries.find(({ url }) => url === address);
    await until(() => Promise.resolve(called() !== undefined));
    expect(called()).toMatchObject({ status: 200 });

    const status = await admin('/api/status');
    expect([status.status, status.headers.get('cache-control')]).toEqual([200, 'no-store']);
    const report = (await status.json()) as Record<string, unknown>;
    expect(report).toMatchObject({
      state: 'ok',
      recoverable: { state: 'ok', by: started?.['run'] },
      watched: {
        state: 'ok',
        schedulers: [
          { scheduler: 'cron', state: 'heard' },
          { scheduler: 'schedule', state: 'heard' },
        ],
      },
      services: { state: 'ok' },
      recoveryPoint: { objectiveHours: 24, met: true, newestVerified: { id: started?.['run'] } },
      recoveryTime: {
        state: 'ok',
        by: drill?.['run'],
        objectiveHours: 4,
        met: true,
        lastPassed: { id: drill?.['run'] },
        lastDrill: { outcome: 'passed' },
      },
      storage: { snapshots: 1, complete: 1, incomplete: 0, damaged: 0 },
      runs: [
        { kind: 'drill', state: 'succeeded' },
        { kind: 'snapshot', state: 'succeeded' },
      ],
      drills: [{ outcome: 'passed', milliseconds: expect.any(Number) }],
      alerts: [],
      guard: { outcome: 'ok' },
    });
    const { checks } = report['credentials'] as { checks: { name: string; status: string }[] };
    expect(checks).toContainEqual(expect.objectContaining({ name: 'redis', status: 'ok' }));

    const metrics = await admin('/api/status?format=prometheus');
    expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await metrics.text();
    expect(text).toMatch(/^soulcaster_backup_rpo_met 1$/m);
    expect(text).toMatch(/^soulcaster_backup_answer\{answer="watched",state="ok"\} 1$/m);
    expect(text).toMatch(/^soulcaster_backup_service\{service="redis",state="ok"\} 1$/m);
    expect(text).toMatch(/^soulcaster_backup_snapshots\{state="trusted"\} 1$/m);
    expect(text).toMatch(/^# TYPE soulcaster_backup_snapshot_age_seconds gauge$/m);
    for (const path of ['/api/status?format=prometheus', '/api/cron/guard'])
      expect((await call(path)).status).toBe(401);
    const pings = receiver.pings.map(({ signal }) => signal);
    // The snapshot that the first turn starts over the queue may be done before that turn has tried every service.
    expect(['/fail', '/success']).toContain(pings[1]);
    const [start, , ...rest] = pings;
    expect([start, ...rest]).toEqual(['/start', '/success', '/start', '/success', '/start', '/success']);
    expect(stack.env['DRILL_REDIS_REST_URL']).not.toBe(stack.env['UPSTASH_REDIS_REST_URL']);
  });

  it('report a broken chain and a damaged snapshot', async () => {
    const { store } = connect(nightly.stack.env, ['store']);
    const ids: string[] = [];
    for await (const id of store.folders('snapshots/')) ids.push(id);
    await store.remove(`snapshots/${ids[0] ?? ''}/manifest.json`);
    const before = receiver.messages.length;
    expect((await guard()).body.alerts.map(({ code }) => code)).toContain('chain-broken');
    const told = receiver.messages.slice(before).flatMap(({ alerts }) => alerts);
    const opened = told.filter(({ event }) => event === 'opened').map(({ code }) => code);
    expect(opened.sort()).toEqual(['chain-broken', 'rpo-breached']);
  });

  it('resume a run that was started but never worked on', async () => {
    const app = storeApp(nightly.stack.env, { log: silentLog() });
    const started = await app.engine.start({
      kind: 'verify',
      input: { snapshot: 'latest' },
      checkpoint: [],
      progress: { done: 0, total: null, unit: 'parts', bytes: 0 },
    });
    const { id } = started.started ? started.run : { id: '' };
    expect((await guard()).body.steps[0]?.summary).toMatchObject({ stuck: 0 });
    // The age of a lease goes by the store's clock: as if nobody had renewed it for an hour.
    const folder = (nightly.stack.env['BACKUP_STORE'] ?? '').replace('file://', '');
    const hourAgo = new Date(Date.now() - 3_600_000);
    await utimes(join(folder, 'leases/verify.json'), hourAgo, hourAgo);
    const turn = (await guard()).body;
    expect(turn.steps[0]?.summary).toEqual({ stuck: 1, resumed: 1, ended: 0 });
    expect(turn.alerts).toContainEqual(expect.objectContaining({ code: 'run-stuck', subject: id }));
    expect((await nightly.finished(id)).state).toBe('failed');
  });
});
