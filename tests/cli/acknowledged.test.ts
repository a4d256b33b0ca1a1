import { rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateAgeIdentity, generateSigningKey, publicKeyOf } from '../../lib/app/connect/stores.js';
import { connect } from '../../lib/app/connect.js';
import { protectedDatabase } from '../../lib/app/connect/database.js';
import { readState, type GuardState } from '../../lib/monitoring/state.js';
import { startReceiver, type Receiver } from '../monitoring/world/parts.js';
import { cli, cliJson, openStack, type CliStack, type Variables } from './fixture.js';

let stack: CliStack;
let receiver: Receiver;
beforeAll(async () => {
  [stack, receiver] = await Promise.all([openStack(), startReceiver(() => Date.now())]);
});
afterAll(async () => {
  await stack.stop();
  await receiver.stop();
});

const opened = (code: string): number =>
  receiver.messages.flatMap(({ alerts }) => alerts).filter((one) => one.code === code && one.event === 'opened').length;
const folderOf = (env: Variables): string => fileURLToPath(env['BACKUP_STORE'] ?? '');
const stateOf = (env: Variables): Promise<GuardState> =>
  readState(connect(env, ['store']).store, protectedDatabase(env).source);

describe('an acknowledged alert', () => {
  it("is closed, while its cause stays in the status as in the guard's record", async () => {
    const env = {
      ...(await stack.alone()),
      CRON_SECRET: '',
      DRILL_REDIS_REST_URL: '',
      DRILL_REDIS_REST_TOKEN: '',
      ALERT_WEBHOOK_URL: receiver.alertUrl,
    };
    await cli(['guard'], env);
    await writeFile(join(folderOf(env), 'leases/odd.json'), '[]');
    expect((await cliJson(['guard'], env)).json).toMatchObject({ outcome: 'alerts' });
    const ack = ['alerts', 'ack', 'lease-unreadable', '--reason', 'an old test'];
    const over = await cliJson([...ack, '--until', '2020-01-01T00:00:00Z'], env);
    expect([over.code, over.json.error?.code]).toEqual([2, 'usage']);
    expect((await stateOf(env)).acknowledged).toEqual([]);
    expect((await cli(ack, env)).code).toBe(0);
    expect((await cliJson(['guard'], env)).json).toMatchObject({ outcome: 'ok', alerts: [] });
    const { json } = await cliJson(['status'], env);
    expect(json).toMatchObject({ alerts: [], recoverable: { state: 'not-ok' }, guard: { outcome: 'ok' } });
    expect((await stateOf(env)).answers?.recoverable.state).toBe('not-ok');
  });

  it('stays acknowledged after the signing key was changed', async () => {
    const [{ privateKey: first }, { privateKey: second }] = [generateSigningKey(), generateSigningKey()];
    const { recipient } = await generateAgeIdentity();
    const keys = { BACKUP_SIGNING_KEY: first, BACKUP_AGE_RECIPIENTS: recipient };
    const alone = { ...(await stack.alone()), CRON_SECRET: '', DRILL_REDIS_REST_URL: '', DRILL_REDIS_REST_TOKEN: '' };
    const env = { ...alone, ...keys, ALERT_WEBHOOK_URL: receiver.alertUrl };
    for (let taken = 0; taken < 3; taken++) expect((await cli(['backup', '--local'], env)).code).toBe(0);
    const listed = (await cliJson(['list'], env)).json['snapshots'] as { id: string }[];
    await rm(join(folderOf(env), 'snapshots', listed[1]?.id ?? 'none'), { recursive: true });
    await cli(['guard'], env);
    expect(opened('chain-broken')).toBe(1);
    expect((await cli(['alerts', 'ack', 'chain-broken', '--reason', 'removed by hand'], env)).code).toBe(0);
    await cli(['guard'], env);
    const after = { ...env, BACKUP_SIGNING_KEY: second, BACKUP_SIGNING_PUBLIC_KEY: publicKeyOf(first) };
    await cli(['guard'], after);
    await cli(['guard'], after);
    expect(opened('chain-broken')).toBe(1);
    expect((await stateOf(after)).alerts.map(({ code }) => code)).not.toContain('chain-broken');
  });
});
