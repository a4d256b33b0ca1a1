import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startReceiver, type Receiver } from '../monitoring/world/parts.js';
import { cli, cliJson, openStack, type CliStack } from './fixture.js';

let stack: CliStack;
let receiver: Receiver;
beforeAll(async () => {
  [stack, receiver] = await Promise.all([openStack(), startReceiver(() => Date.now())]);
});
afterAll(async () => {
  await stack.stop();
  await receiver.stop();
});

describe('status and guard', () => {
  it('report that nothing is there, fix that within this process, and then report ok', async () => {
    // Nothing calls the guard but an operator, and somebody is told.
    const env = { ...(await stack.alone()), CRON_SECRET: '', ALERT_WEBHOOK_URL: receiver.alertUrl };
    const before = await cliJson(['status'], env);
    expect([before.code, before.json]).toMatchObject([
      1,
      { state: 'degraded', recoveryPoint: { met: false, ageHours: null }, recoveryTime: { met: null }, runs: [] },
    ]);
    const turn = await cli(['guard'], env);
    expect([turn.code, turn.stdout]).toEqual([0, expect.stringMatching(/snapshot\s+done\s+succeeded/)]);
    expect(turn.stdout).toMatch(/drill\s+done\s+succeeded/);
    const after = await cliJson(['status'], env);
    expect([after.code, after.json]).toMatchObject([
      0,
      {
        ...{ state: 'ok', recoverable: { state: 'ok' }, watched: { state: 'ok', by: 'guard', schedulers: [] } },
        recoveryTime: { state: 'ok', met: true, lastDrill: { outcome: 'passed' } },
        services: {
          state: 'ok',
          items: expect.arrayContaining([expect.objectContaining({ name: 'redis', by: 'status' })]) as unknown,
        },
        guard: { outcome: 'ok' },
      },
    ]);
    const cron = await cliJson(['status'], { ...env, CRON_SECRET: 'a-secret-of-sixteen' });
    expect([cron.code, cron.json]).toMatchObject([1, { state: 'unknown', watched: { state: 'unknown' } }]);
    const { code, stdout } = await cli(['status'], env);
    expect(stdout).toMatch(/^\s*services\s+ok, since \S+, checked \S+ by \w+$/m);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/recovery point\s+.* old, within the objective of 24 h/)]);
  });

  it('report what is wrong, exit with 1, and show no webhook address', async () => {
    const alone = await stack.alone();
    const env = { ...alone, UPSTASH_REDIS_REST_TOKEN: 'wrong-token', ALERT_WEBHOOK_URL: receiver.alertUrl };
    const before = receiver.messages.length;
    const turn = await cliJson(['guard'], env);
    expect([turn.code, turn.json['outcome']]).toEqual([1, 'alerts']);
    const told = receiver.messages
      .slice(before)
      .flatMap(({ alerts }) => alerts.map(({ code, subject }) => `${code} ${subject}`));
    expect(told.sort()).toEqual(['backup-failed snapshot', 'credential-failed redis', 'rpo-breached database']);
    expect(turn.stdout + turn.stderr).not.toContain('secret-of-the-hook');
    const shown = await cliJson(['status'], env);
    expect([shown.code, (shown.json['alerts'] as unknown[]).length]).toEqual([1, 3]);
    expect(shown.json).toMatchObject({ recoverable: { state: 'not-ok' }, services: { state: 'not-ok' } });
  });

  it('report a store that is missing', async () => {
    const env = {
      ...stack.env,
      BACKUP_STORE: 'file:///proc/no-store',
      QSTASH_TOKEN: '',
      ALERT_WEBHOOK_URL: receiver.alertUrl,
    };
    const turn = await cliJson(['guard'], env);
    expect([turn.code, turn.json['outcome']]).toEqual([1, 'failed']);
    expect([...receiver.open()]).toContain('store-unavailable store');
    expect((await cli(['status'], env)).code).toBe(1);
  });
});
