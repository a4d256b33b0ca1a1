import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { upstashDeveloper, type UpstashDeveloperOptions } from '../../lib/services/upstash-developer.js';
import { startUpstashAccount, type UpstashAccountStandIn } from '../../dev/upstash-account/index.js';
import type { UpstashAccount } from '../../lib/ports/upstash-account.js';
import { dumpOf } from '../support/dumps.js';
import { quickClock } from '../support/clocks.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

const ID = '96ad0856-03b1-4ee7-9666-e81abd0349e1';
const OTHER = 'a0000000-0000-4000-8000-000000000000';

let first: TestDatabase;
let second: TestDatabase;
let standIn: UpstashAccountStandIn;
let account: UpstashAccount;
beforeAll(async () => {
  [first, second] = await Promise.all([startTestDatabase(), startTestDatabase()]);
  standIn = await startUpstashAccount({
    databases: [
      { id: ID, name: 'soulcaster', endpoint: 'beloved-stallion-58500', redisUrl: first.url, restToken: 'rest' },
      { id: OTHER, name: 'standby', endpoint: 'eu2-sought-mollusk-30143.upstash.io', redisUrl: second.url },
    ],
  });
  account = open();
});
afterEach(async () => {
  await standIn.idle();
  standIn.setFaults({ backupsFail: false });
});
afterAll(async () => {
  await standIn.stop();
  await Promise.all([first.stop(), second.stop()]);
});

function open(changes: Partial<UpstashDeveloperOptions> = {}): UpstashAccount {
  const { url, email, apiKey } = standIn;
  return upstashDeveloper({ url, email, apiKey, clock: quickClock(), ...changes });
}

describe("Upstash's developer API", () => {
  it('shows a database, with its whole host and without credentials', async () => {
    expect(await account.database(ID)).toEqual({
      id: ID,
      name: 'soulcaster',
      host: 'beloved-stallion-58500.upstash.io',
      plan: 'payg',
      region: 'eu-west-1',
      state: 'active',
      busy: null,
      dailyBackup: false,
    });
    expect((await account.database(OTHER)).host).toBe('eu2-sought-mollusk-30143.upstash.io');
  });

  it('lists all databases, and gives the REST token of one', async () => {
    expect((await account.databases()).map(({ id, name }) => [id, name])).toEqual([
      [ID, 'soulcaster'],
      [OTHER, 'standby'],
    ]);
    expect(await account.restToken(ID)).toBe('rest');
    expect(JSON.stringify([await account.databases(), await account.database(ID)])).not.toContain('rest"');
  });

  it('makes, lists, restores and deletes backups that are real', async () => {
    await first.redis.mset('a', '1', Buffer.from([0xff, 0]), Buffer.from([1, 0xfe]));
    await first.redis.set('expiring', 'v', 'PXAT', Date.now() + 3_600_000);
    await first.redis.zadd('scores', 'inf', 'x', '-0.5', 'y');
    const before = await dumpOf(first.url);
    await account.createBackup(ID, 'one');
    expect(await account.backups(ID)).toMatchObject([{ name: 'one', state: 'pending', made: 'by-hand' }]);
    expect((await account.database(ID)).busy).toBe('backup');
    await standIn.idle();
    await standIn.backUpDaily(ID);
    const backups = await account.backups(ID);
    expect(backups.map(({ name, state, made }) => [name, state, made])).toEqual(
      expect.arrayContaining([
        ['one', 'completed', 'by-hand'],
        ['daily', 'completed', 'daily'],
      ]),
    );
    const one = backups.find(({ name }) => name === 'one');
    expect(Math.abs((one?.createdAt ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(one?.bytes).toBeGreaterThan(0);
    await first.redis.flushall();
    await first.redis.set('since', 'v');
    await account.restoreBackup(ID, one?.id ?? '');
    expect((await account.database(ID)).busy).toBe('restore');
    await standIn.idle();
    expect(await dumpOf(first.url)).toEqual(before);
    await second.redis.set('other', 'v');
    await account.restoreBackup(OTHER, one?.id ?? '');
    await standIn.idle();
    expect(await dumpOf(second.url)).toEqual(before);
    await account.deleteBackup(ID, one?.id ?? '');
    expect((await account.backups(ID)).map(({ name }) => name)).toEqual(['daily']);
    await expect(account.restoreBackup(ID, one?.id ?? '')).rejects.toMatchObject({ code: 'not-found' });
  });

  it.each([false, true])('switches daily backups (by POST: %s)', async (dailyByPost) => {
    const { email, apiKey } = standIn;
    const databases = [{ id: ID, name: 'x', endpoint: 'x', redisUrl: first.url }];
    const own = await startUpstashAccount({ databases, email, apiKey, dailyByPost });
    const there = open({ url: own.url });
    await there.setDailyBackup(ID, true);
    expect((await there.database(ID)).dailyBackup).toBe(true);
    await there.setDailyBackup(ID, false);
    expect((await there.database(ID)).dailyBackup).toBe(false);
    await own.stop();
  });

  it('tells of a backup that failed', async () => {
    standIn.setFaults({ backupsFail: true });
    await account.createBackup(ID, 'failing');
    await standIn.idle();
    expect(await account.backups(ID)).toContainEqual(expect.objectContaining({ name: 'failing', state: 'failed' }));
  });
});
