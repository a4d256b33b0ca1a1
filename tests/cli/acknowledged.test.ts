import { readFile, rm, writeFile } from 'node:fs/promises';
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

  it('stays acknowledged when doctor and `alerts test` run on a machine with another signing key, or with none', async () => {
    const [{ privateKey }, { privateKey: other }] = [generateSigningKey(), generateSigningKey()];
    const alone = { ...(await stack.alone()), CRON_SECRET: '', DRILL_REDIS_REST_URL: '', DRILL_REDIS_REST_TOKEN: '' };
    const env = { ...alone, BACKUP_SIGNING_KEY: privateKey, ALERT_WEBHOOK_URL: receiver.alertUrl };
    expect((await cli(['backup', '--local'], env)).code).toBe(0);
    await writeFile(join(folderOf(env), 'leases/odd.json'), '[]');
    await cli(['guard'], env);
    expect((await cli(['alerts', 'ack', 'lease-unreadable', '--reason', 'an old test'], env)).code).toBe(0);
    const before = await readFile(join(folderOf(env), 'guard/state.json'), 'utf8');
    const sent = receiver.messages.length;
    const wrongKeys: [Variables, string][] = [
      [{ ...env, BACKUP_SIGNING_KEY: other }, 'signed with a key that is not accepted here'],
      [{ ...env, BACKUP_SIGNING_KEY: '' }, 'no key is set here, but the newest snapshot'],
    ];
    for (const [wrong, words] of wrongKeys) {
      const { json } = await cliJson(['doctor', '--offline'], wrong);
      const checks = json['checks'] as { name: string; status: string; detail: string; hint: string | null }[];
      const check = (name: string) => checks.find((one) => one.name === name);
      expect(check('signature')).toMatchObject({ status: 'fail', detail: expect.stringContaining(words) });
      expect(check('alerts')).toMatchObject({ status: 'warn', detail: expect.stringContaining('cannot be read') });
      expect((await cli(['alerts', 'test'], wrong)).code).toBe(0);
      const ack = await cliJson(['alerts', 'ack', 'lease-unreadable', '--reason', 'again'], wrong);
      expect([ack.code, ack.json.error?.code]).toEqual([12, 'wrong-key']);
      expect(await readFile(join(folderOf(env), 'guard/state.json'), 'utf8')).toBe(before);
    }
    expect(receiver.messages.length).toBe(sent + wrongKeys.length);
    const own = (await cliJson(['doctor', '--offline'], env)).json['checks'] as { name: string; detail: string }[];
    expect(own.find(({ name }) => name === 'signature')?.detail).toMatch(/is signed with an accepted key/);
  });

  it('has no advice to end a lease while the keys of doctor are not those of the store', async () => {
    const [{ privateKey }, { privateKey: other }] = [generateSigningKey(), generateSigningKey()];
    const env = { ...(await stack.alone()), BACKUP_SIGNING_KEY: privateKey };
    expect((await cli(['backup', '--local'], env)).code).toBe(0);
    const { json } = await cliJson(['doctor', '--offline'], { ...env, BACKUP_SIGNING_KEY: other });
    const checks = json['checks'] as { name: string; hint: string | null }[];
    expect(checks.find(({ name }) => name === 'store-leases')?.hint).toMatch(
      /^Correct what the check signature reports/,
    );
  });
});
