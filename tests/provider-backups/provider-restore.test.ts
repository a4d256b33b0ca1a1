import { EventEmitter, once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { assertTyped, planRestore, performRestore } from '../../lib/provider-backups/restore.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { claimLease, releaseLease } from '../../lib/runs/lease.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { unfinishedOf } from '../../lib/snapshot/unfinished-marks.js';
import { dumpOf } from '../support/dumps.js';
import { going, ID, openProviderRig, STANDBY, TIMES, type ProviderRig } from './provider-rig.js';

const RUN = '20261122T020000Z-00abcd';

let rig: ProviderRig;
let main: ProviderRig['main'];
let standIn: ProviderRig['standIn'];
let ports: ProviderRig['ports'];
beforeEach(async () => {
  rig = await openProviderRig();
  ({ main, standIn, ports } = rig);
});
afterEach(() => rig.stop());

describe('the plan of a restore', () => {
  it('shows what would be replaced by what, and changes nothing', async () => {
    await main.redis.mset('a', '1', 'b', '2');
    const { id } = await rig.create();
    await main.redis.set('c', '3');
    const before = await dumpOf(main.url);
    const found = await rig.plan();
    expect(found).toMatchObject({ database: { id: ID, name: 'soulcaster' }, backup: { id }, from: ID });
    expect(found).toMatchObject({ ours: true, keys: 3, reachable: true });
    expect(await dumpOf(main.url)).toEqual(before);
    expect(standIn.requestCount('restore-backup')).toBe(0);
    expect(await rig.plan({ database: STANDBY, from: ID, backup: id })).toMatchObject({
      ours: false,
      keys: null,
      from: ID,
    });
  });

  it('needs a complete backup, and a database without an operation in progress', async () => {
    await expect(rig.plan()).rejects.toMatchObject({ code: 'not-found' });
    const pending = await rig.create('pending', false);
    await expect(rig.plan({ backup: pending.id })).rejects.toMatchObject({
      code: 'not-restorable',
      message: /pending/,
    });
    await standIn.idle();
    await rig.create('another', false);
    await expect(rig.plan({ backup: pending.id })).rejects.toMatchObject({
      code: 'not-restorable',
      message: /\(backup\)/,
    });
    await standIn.idle();
    await expect(rig.plan({ backup: 'none' })).rejects.toMatchObject({ code: 'not-found' });
    expect(await rig.plan({ backup: pending.id })).toMatchObject({ backup: { state: 'completed' } });
  });

  it('reports a database that does not answer, and throws for a wrong token', async () => {
    await rig.create();
    const other = await startUpstashRedis({ redisUrl: main.url, token: 'test' });
    await rig.rest.stop();
    expect(await rig.plan()).toMatchObject({ ours: true, keys: null, reachable: false });
    const redis = upstashRedis({ url: other.url, token: 'wrong', clock: ports.clock });
    const theirs = { ...redis, host: ports.redis.host };
    const asked = planRestore({ ...ports, redis: theirs }, { database: ID, from: null, backup: 'latest' });
    await expect(asked).rejects.toMatchObject({ code: 'redis-denied' });
    await other.stop();
  });

  it('is confirmed only by the id or the name of the database', async () => {
    await rig.create();
    const found = await rig.plan();
    for (const wrong of [null, '', 'yes', found.backup.id, 'Soulcaster', `${ID} `])
      expect(() => assertTyped(found, wrong)).toThrow(expect.objectContaining({ code: 'not-confirmed' }));
    assertTyped(found, ID);
    assertTyped(found, 'soulcaster');
  });
});

describe('a restore at Upstash', () => {
  const saved: string[] = [];
  const safety = async (): Promise<string> => {
    // What is saved is what is there before anything is begun.
    saved.push(...(await main.redis.keys('*')).sort());
    expect(standIn.requestCount('restore-backup')).toBe(0);
    return RUN;
  };
  beforeEach(() => void saved.splice(0));

  it('saves the data, replaces everything, holds the lease meanwhile, and releases it', async () => {
    await main.redis.mset('a', '1', 'b', '2');
    await rig.create();
    const before = await dumpOf(main.url);
    await main.redis.mset('a', 'changed', 'later', 'v');
    const restoring = performRestore(ports, await rig.plan(), { safety, interrupt: going });
    let held: unknown = null;
    while (held === null) held = await rig.lease();
    expect(await claimLease(ports, 'database', RUN, TIMES)).toMatchObject({ granted: false });
    expect(await restoring).toMatchObject({ undo: RUN, keys: 2 });
    expect(saved).toEqual(['a', 'b', 'later']);
    expect(await dumpOf(main.url)).toEqual(before);
    expect(await rig.lease()).toBeNull();
  });

  it('is refused while a run holds the lease, which is left to the run', async () => {
    await rig.create();
    await main.redis.set('later', 'v');
    const claim = await claimLease(ports, 'database', RUN, TIMES);
    const asked = performRestore(ports, await rig.plan(), { safety: null, interrupt: going });
    await expect(asked).rejects.toMatchObject({ code: 'locked', message: expect.stringContaining(RUN) });
    expect(await main.redis.get('later')).toBe('v');
    expect(await rig.lease()).toBe(RUN);
    if (claim.granted) await releaseLease(ports, claim.lease);
  });

  it('does not begin if the data cannot be saved', async () => {
    await rig.create();
    await main.redis.set('later', 'v');
    const failing = (): Promise<string> => Promise.reject(new Error('full'));
    await expect(performRestore(ports, await rig.plan(), { safety: failing, interrupt: going })).rejects.toThrow(
      'full',
    );
    expect([await main.redis.get('later'), standIn.requestCount('restore-backup')]).toEqual(['v', 0]);
  });

  it('continues without a safety snapshot if the database is empty or does not answer, and says so', async () => {
    await main.redis.set('a', '1');
    const { id } = await rig.create();
    await main.redis.flushall();
    expect(await performRestore(ports, await rig.plan(), { safety, interrupt: going })).toMatchObject({
      undo: 'empty',
      keys: 1,
    });
    await rig.rest.stop();
    await main.redis.set('a', 'changed');
    const ended = await performRestore(ports, await rig.plan({ backup: id }), { safety, interrupt: going });
    expect(ended).toMatchObject({ undo: 'unreachable', keys: null });
    // Nobody has seen what came of it.
    expect(await unfinishedOf(ports.store, sourceOf(ports.redis.host))).toMatchObject([{ kind: 'restore by Upstash' }]);
    expect([await main.redis.get('a'), saved]).toEqual(['1', []]);
  });

  it('restores into another database of the account only without a safety snapshot', async () => {
    await main.redis.set('a', '1');
    await rig.create();
    await rig.standby.redis.set('theirs', 'v');
    const found = await rig.plan({ database: STANDBY, from: ID });
    await expect(performRestore(ports, found, { safety, interrupt: going })).rejects.toMatchObject({ code: 'usage' });
    expect(await rig.standby.redis.get('theirs')).toBe('v');
    const ended = await performRestore(ports, found, { safety: null, interrupt: going });
    expect(ended).toMatchObject({ undo: 'skipped', keys: null });
    expect(await dumpOf(rig.standby.url)).toEqual(await dumpOf(main.url));
    expect(await rig.lease()).toBeNull();
  });

  it('is followed to its end also if the answer was lost', async () => {
    await main.redis.set('a', '1');
    await rig.create();
    await main.redis.set('a', '2');
    const planned = await rig.plan();
    const seen = new EventEmitter();
    const heldBack = once(seen, 'in progress');
    const loseReply = ({ endpoint }: { endpoint: string }): boolean => {
      if (endpoint === 'database') seen.emit('in progress');
      return endpoint === 'restore-backup';
    };
    standIn.setFaults({ heldBack, loseReply });
    expect(await performRestore(ports, planned, { safety, interrupt: going })).toMatchObject({ undo: RUN, keys: 1 });
    expect([await main.redis.get('a'), standIn.requestCount('restore-backup')]).toEqual(['1', 1]);
  });

  it('keeps the lease if it is unknown whether the restore began', async () => {
    await main.redis.set('a', '1');
    await rig.create();
    standIn.setFaults({ reject: { status: 502, hits: ({ endpoint }) => endpoint === 'restore-backup' } });
    const asked = performRestore(ports, await rig.plan(), { safety, interrupt: going });
    await expect(asked).rejects.toMatchObject({
      code: 'upstash-unavailable',
      message: expect.stringContaining('may have begun'),
      hint: expect.stringContaining(`restore ${RUN}`),
    });
    expect(await rig.lease()).not.toBeNull();
  });

  it('releases the lease if Upstash refuses', async () => {
    await main.redis.set('a', '1');
    await rig.create();
    standIn.setFaults({ reject: { status: 409, hits: ({ endpoint }) => endpoint === 'restore-backup' } });
    const asked = performRestore(ports, await rig.plan(), { safety, interrupt: going });
    await expect(asked).rejects.toMatchObject({ code: 'upstash-refused' });
    expect([await main.redis.get('a'), await rig.lease()]).toEqual(['1', null]);
  });

  it('is not reported as proven if the database is empty afterwards', async () => {
    await main.redis.set('a', '1');
    await rig.create();
    standIn.setFaults({ restoresLoseAll: true });
    const asked = performRestore(ports, await rig.plan(), { safety, interrupt: going });
    await expect(asked).rejects.toMatchObject({ code: 'not-proven', hint: expect.stringContaining(RUN) });
  });

  it('is not reported as proven if the database is empty afterwards and the size of the backup is unknown', async () => {
    await main.redis.set('a', '1');
    await rig.create();
    standIn.setFaults({ restoresLoseAll: true });
    const plan = await rig.plan();
    const unsized = { ...plan, backup: { ...plan.backup, bytes: null } };
    const asked = performRestore(ports, unsized, { safety, interrupt: going });
    await expect(asked).rejects.toMatchObject({
      code: 'not-proven',
      message: expect.stringContaining('backup is unknown'),
    });
  });
});
