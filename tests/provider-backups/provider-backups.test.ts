import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createBackup, switchDaily, removeBackup } from '../../lib/provider-backups/backups.js';
import { ID, openProviderRig, type ProviderRig } from './provider-rig.js';

let rig: ProviderRig;
let main: ProviderRig['main'];
let standIn: ProviderRig['standIn'];
let ports: ProviderRig['ports'];
beforeEach(async () => {
  rig = await openProviderRig();
  ({ main, standIn, ports } = rig);
});
afterEach(() => rig.stop());

describe('a backup at Upstash', () => {
  it('is created and waited for, with a generated name', async () => {
    await main.redis.set('a', '1');
    const backup = await rig.create();
    expect(backup).toMatchObject({ state: 'completed', made: 'by-hand' });
    expect(backup.name).toMatch(/^soulcaster-\d{8}T\d{6}Z-/);
    expect(backup.bytes).toBeGreaterThan(0);
    expect(await rig.create('second', false)).toMatchObject({ name: 'second', state: 'pending' });
  });

  it('is created once, also if the answer is lost', async () => {
    standIn.setFaults({ loseReply: ({ endpoint }) => endpoint === 'create-backup' });
    expect(await rig.create('lost')).toMatchObject({ name: 'lost', state: 'completed' });
    expect(await ports.account.backups(ID)).toHaveLength(1);
    expect(standIn.requestCount('create-backup')).toBe(1);
  });

  it('is not reported as created if Upstash was never reached', async () => {
    standIn.setFaults({ reject: { status: 503, hits: ({ endpoint }) => endpoint === 'create-backup' } });
    await expect(rig.create('never')).rejects.toMatchObject({ code: 'upstash-unavailable', message: /503/ });
    expect(await ports.account.backups(ID)).toEqual([]);
  });

  it('fails with an error if it failed, is refused, or its name is taken', async () => {
    standIn.setFaults({ backupsFail: true });
    await expect(rig.create('failing')).rejects.toMatchObject({ code: 'upstash-refused', message: /failing failed/ });
    standIn.setFaults({ backupsFail: false });
    await expect(rig.create('failing')).rejects.toMatchObject({ code: 'usage' });
  });

  it('is not waited for after an interruption', async () => {
    const interrupt = AbortSignal.abort();
    const asked = createBackup(ports, { database: ID, name: 'x', wait: true, interrupt });
    await expect(asked).rejects.toMatchObject({ code: 'interrupted' });
  });

  it('is deleted only by its id', async () => {
    const { id } = await rig.create();
    await expect(removeBackup(ports.account, ID, 'latest')).rejects.toMatchObject({ code: 'usage' });
    await expect(removeBackup(ports.account, ID, 'none')).rejects.toMatchObject({ code: 'not-found' });
    standIn.setFaults({ loseReply: ({ endpoint }) => endpoint === 'delete-backup' && !gone++ });
    let gone = 0;
    expect((await removeBackup(ports.account, ID, id)).id).toBe(id);
    expect(await ports.account.backups(ID)).toEqual([]);
  });
});

describe('daily backups', () => {
  it('are switched once', async () => {
    expect(await switchDaily(ports.account, ID, true)).toMatchObject({
      before: false,
      database: { dailyBackup: true },
    });
    expect(await switchDaily(ports.account, ID, true)).toMatchObject({ before: true });
    expect(standIn.requestCount('enable-dailybackup')).toBe(1);
    expect(await switchDaily(ports.account, ID, false)).toMatchObject({
      before: true,
      database: { dailyBackup: false },
    });
  });

  it('are verified after the switch', async () => {
    standIn.setFaults({
      reject: { status: 200, body: '"OK"', hits: ({ endpoint }) => endpoint === 'enable-dailybackup' },
    });
    await expect(switchDaily(ports.account, ID, true)).rejects.toMatchObject({ code: 'upstash-refused' });
  });
});
