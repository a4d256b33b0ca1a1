import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '../../lib/app/connect.js';
import { protectedDatabase } from '../../lib/app/connect/database.js';
import { writeDrill } from '../../lib/restore/drill/record.js';
import { newId } from '../../lib/runs/ids.js';
import { startReceiver, type Receiver } from '../monitoring/world/parts.js';
import { cli, cliJson, openStack, type CliStack, type Variables } from './fixture.js';

let stack: CliStack;
let receiver: Receiver;
let others: Receiver;
let production: Variables;
let staging: Variables;

beforeAll(async () => {
  const now = (): number => Date.now();
  [stack, receiver, others] = await Promise.all([openStack(), startReceiver(now), startReceiver(now)]);
  const { DRILL_REDIS_REST_TOKEN, DRILL_REDIS_REST_URL, ...alone } = await stack.alone();
  production = { ...alone, CRON_SECRET: '', BACKUP_LABEL: 'production', ALERT_WEBHOOK_URL: receiver.alertUrl };
  staging = {
    ...production,
    BACKUP_LABEL: 'staging',
    ALERT_WEBHOOK_URL: others.alertUrl,
    UPSTASH_REDIS_REST_URL: DRILL_REDIS_REST_URL ?? '',
    UPSTASH_REDIS_REST_TOKEN: DRILL_REDIS_REST_TOKEN ?? '',
  };
});
afterAll(async () => {
  await stack.stop();
  await Promise.all([receiver.stop(), others.stop()]);
});

const openOf = async (env: Variables): Promise<string[]> => {
  const { json } = await cliJson(['alerts'], env);
  return (json['alerts'] as { code: string; subject: string }[])
    .map(({ code, subject }) => `${code} ${subject}`)
    .sort();
};

describe('two deployments with one store', () => {
  it('keep the findings of one while the other is healthy', async () => {
    const broken = { ...production, UPSTASH_REDIS_REST_TOKEN: 'wrong-token' };
    expect((await cli(['guard'], broken)).code).toBe(1);
    const open = ['backup-failed snapshot', 'credential-failed redis', 'rpo-breached database'];
    expect(await openOf(broken)).toEqual(open);
    const other = await cliJson(['guard'], staging);
    expect([other.code, other.json['outcome']]).toEqual([0, 'ok']);
    expect(await openOf(staging)).toEqual([]);
    expect(await openOf(broken)).toEqual(open);
    expect([...receiver.open()].sort()).toEqual(open);
    const { json } = await cliJson(['status'], broken);
    expect(json).toMatchObject({ guard: { outcome: 'alerts' }, services: { state: 'not-ok' } });
  });

  it('count neither a drill nor a guard call of the other as their own', async () => {
    const { clock, store } = connect(staging, ['clock', 'store']);
    const at = new Date(clock.now()).toISOString();
    const drill = { outcome: 'passed', reason: null, snapshot: null, keys: 60, milliseconds: 1000 } as const;
    const { source } = protectedDatabase(staging);
    await writeDrill(store, { id: newId(clock.now()), source, startedAt: at, finishedAt: at, ...drill });
    expect((await cliJson(['status'], staging)).json).toMatchObject({ recoveryTime: { state: 'ok' } });
    expect((await cliJson(['status'], production)).json).toMatchObject({
      recoveryTime: { state: 'unknown', reasons: ['no drill has passed yet'] },
    });
    const first = (await cliJson(['status'], production)).json['guard'];
    await cli(['guard'], staging);
    expect((await cliJson(['status'], production)).json['guard']).toEqual(first);
  });
});
