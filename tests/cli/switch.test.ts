import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { fileStore } from '../../lib/stores/file/store.js';
import { addMark } from '../../lib/snapshot/unfinished-marks.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { startRedisServer } from '../../dev/redis-server.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { openAccounts, type Accounts } from './accounts-fixture.js';
import type { Variables } from './fixture.js';
import { redis } from './restore-fixture.js';

const URL_NAME = 'UPSTASH_REDIS_REST_URL';
const TOKEN_NAME = 'UPSTASH_REDIS_REST_TOKEN';
/** The database of the region that is gone: nobody answers there. */
const OLD = { [URL_NAME]: 'http://127.0.0.1:9', [TOKEN_NAME]: 'token-of-the-lost-region' };
const STANDBY_TOKEN = 'token-of-the-standby-region';
const PROJECTS = ['soulcaster-backend', 'soulcaster-dashboard', 'soulcaster-backup'];

let server: Awaited<ReturnType<typeof startRedisServer>>;
let standby: UpstashRedisStandIn;
let accounts: Accounts;
beforeAll(async () => {
  server = await startRedisServer({});
  standby = await startUpstashRedis({ redisUrl: server.url, token: STANDBY_TOKEN });
});
afterAll(async () => {
  await standby.stop();
  await server.stop();
});
beforeEach(async () => {
  await redis(server.url, 'FLUSHALL');
  await redis(server.url, 'SET', 'feedback:p1:1', 'x');
  accounts = await openAccounts(Object.fromEntries(PROJECTS.map((name) => [name, OLD])));
});
afterEach(() => accounts.stop());

const env = (): Variables => ({
  ...OLD,
  RESTORE_TARGET_STANDBY_REST_URL: standby.url,
  RESTORE_TARGET_STANDBY_REST_TOKEN: STANDBY_TOKEN,
  SOULCASTER_BACKUP_PROJECT: 'soulcaster-backup',
});
const set = (name: string) => [accounts.vercel.valueOf(name, URL_NAME), accounts.vercel.valueOf(name, TOKEN_NAME)];
const served = (name: string) => [accounts.vercel.served(name)[URL_NAME], accounts.vercel.served(name)[TOKEN_NAME]];
const everywhere = (): unknown[] => PROJECTS.flatMap((name) => [set(name), served(name)]);
const all = (url: string, token: string): unknown[] =>
  PROJECTS.flatMap(() => [
    [url, token],
    [url, token],
  ]);
const allOld = (): unknown[] => all(OLD[URL_NAME], OLD[TOKEN_NAME]);

describe('switch', () => {
  it('points every project to the standby and rebuilds each, without the lost region', async () => {
    const { code, json } = await accounts.runJson(['switch', 'standby', '--yes'], '', env());
    expect([code, json]).toEqual([
      0,
      expect.objectContaining({
        outcome: 'done',
        proof: expect.stringContaining('holds 1 key'),
        counts: { variables: 6, changed: 6, redeployed: 3 },
      }),
    ]);
    expect(everywhere()).toEqual(all(standby.url, STANDBY_TOKEN));
  });

  it('leaves a backup project unchanged that is not configured', async () => {
    const { code, stderr } = await accounts.run(['switch', 'STANDBY', '--yes'], '', {
      ...env(),
      SOULCASTER_BACKUP_PROJECT: '',
    });
    expect([code, stderr]).toEqual([0, expect.stringContaining('in your own environment')]);
    expect([set('soulcaster-backend'), set('soulcaster-backup')]).toEqual([
      [standby.url, STANDBY_TOKEN],
      [OLD[URL_NAME], OLD[TOKEN_NAME]],
    ]);
  });

  it('changes nothing in a dry run', async () => {
    const { code, stdout } = await accounts.run(['switch', 'standby', '--dry-run'], '', env());
    expect([code, everywhere()]).toEqual([0, allOld()]);
    expect(stdout.match(/gets the new value/g)).toHaveLength(6);
  });

  it('rolls everything back when one project cannot be built', async () => {
    accounts.vercel.set({
      build: (project, variables) => ({
        buildingReads: 0,
        ending: project === 'soulcaster-dashboard' && variables[URL_NAME] === standby.url ? 'ERROR' : 'READY',
      }),
    });
    const { code, json } = await accounts.runJson(['switch', 'standby', '--yes'], '', env());
    expect([code, json]).toEqual([1, expect.objectContaining({ outcome: 'rolled-back' })]);
    expect(everywhere()).toEqual(allOld());
  });
});

describe('switch refuses', () => {
  it.each<[string, string[], Variables, number, RegExp]>([
    ['a target that is not configured', ['nowhere'], {}, 2, /no target "nowhere"/],
    ['to ask where nobody is', ['standby', '--not-yes'], {}, 2, /unknown option/],
    [
      'a token that the target does not accept',
      ['standby'],
      { RESTORE_TARGET_STANDBY_REST_TOKEN: 'wrong-wrong' },
      1,
      /token/,
    ],
    [
      'a target that is not there',
      ['standby'],
      { RESTORE_TARGET_STANDBY_REST_URL: 'http://127.0.0.1:9' },
      1,
      /reached/,
    ],
    [
      'without the projects',
      ['standby'],
      { SOULCASTER_DASHBOARD_PROJECT: '' },
      2,
      /SOULCASTER_DASHBOARD_PROJECT is missing/,
    ],
  ])('%s', async (_, args, more, expected, words) => {
    const { code, stderr } = await accounts.run(['switch', ...args, '--yes'], '', { ...env(), ...more });
    expect([code, stderr, everywhere()]).toEqual([expected, expect.stringMatching(words), allOld()]);
  });

  it('an empty target, unless allowed', async () => {
    await redis(server.url, 'FLUSHALL');
    const { code, stderr } = await accounts.run(['switch', 'standby', '--yes'], '', env());
    expect([code, stderr, everywhere()]).toEqual([
      3,
      expect.stringMatching(/holds no key[^]*restore latest --target standby/),
      allOld(),
    ]);
    expect((await accounts.run(['switch', 'standby', '--yes', '--allow-empty'], '', env())).code).toBe(0);
    expect(everywhere()).toEqual(all(standby.url, STANDBY_TOKEN));
  });

  it('the database in use by another name, in a dry run as well, but not by the same one', async () => {
    const alias = await startUpstashRedis({ redisUrl: server.url, token: 'token' });
    const used = { [URL_NAME]: alias.url, [TOKEN_NAME]: 'token' };
    for (const option of ['--yes', '--dry-run']) {
      const { code, stderr } = await accounts.run(['switch', 'standby', option], '', { ...env(), ...used });
      expect([code, stderr, everywhere()]).toEqual([2, expect.stringContaining('by another name'), allOld()]);
    }
    const again = { [URL_NAME]: standby.url, [TOKEN_NAME]: STANDBY_TOKEN };
    expect((await accounts.run(['switch', 'standby', '--dry-run'], '', { ...env(), ...again })).code).toBe(0);
    expect(await redis(server.url, 'DBSIZE')).toBe(1);
    await alias.stop();
  });

  it('a target with an unfinished restore, unless allowed', async () => {
    const store = fileStore({ folder: accounts.folder });
    const source = sourceOf(new URL(standby.url).host);
    const what = { run: '20261122T020000Z-x7k2m9', scope: { all: true as const }, mode: 'replace', kind: 'restore' };
    await addMark(store, source, { ...what, since: '2026-11-22T02:00:00Z' });
    for (const more of [['--yes'], ['--dry-run']]) {
      const { code, stderr } = await accounts.run(['switch', 'standby', ...more], '', env());
      expect([code, stderr, everywhere()]).toEqual([3, expect.stringContaining('20261122T020000Z-x7k2m9'), allOld()]);
    }
    expect((await accounts.run(['switch', 'standby', '--yes', '--allow-unfinished'], '', env())).code).toBe(0);
    expect(everywhere()).toEqual(all(standby.url, STANDBY_TOKEN));
  });

  describe('with a second store', () => {
    const what = { run: '20261122T020000Z-x7k2m9', scope: { all: true as const }, mode: 'replace', kind: 'restore' };
    let second: FolderStore;
    let both: Variables;
    beforeEach(async () => {
      second = await folderStore();
      both = { ...env(), BACKUP_REPLICA_STORE: pathToFileURL(second.folder).href };
    });
    afterEach(() => second.remove());
    const addMarkTo = (store: ObjectStore) =>
      addMark(store, sourceOf(new URL(standby.url).host), { ...what, since: '2026-11-22T02:00:00Z' });

    it('a target with an unfinished restore by the second store alone', async () => {
      await addMarkTo(second.store);
      const { code, stderr } = await accounts.run(['switch', 'standby', '--dry-run'], '', both);
      expect([code, stderr]).toEqual([3, expect.stringContaining(what.run)]);
    });

    it('a target with an unfinished restore by the first store alone, with --replica', async () => {
      await addMarkTo(fileStore({ folder: accounts.folder }));
      const { code, stderr } = await accounts.run(['switch', 'standby', '--replica', '--dry-run'], '', both);
      expect([code, stderr]).toEqual([3, expect.stringContaining(what.run)]);
    });

    it('without --replica while the first store is out of reach, and names the command that works', async () => {
      const file = join(second.folder, 'no-folder');
      await writeFile(file, '');
      const lost = { ...both, BACKUP_STORE: pathToFileURL(file).href };
      const { code, stderr } = await accounts.run(['switch', 'standby', '--yes'], '', lost);
      expect([code, stderr, everywhere()]).toEqual([
        1,
        expect.stringContaining('npx soulcaster-backup switch standby --replica --dry-run'),
        allOld(),
      ]);
      expect(await accounts.run(['switch', 'standby', '--yes', '--replica'], '', lost)).toMatchObject({
        code: 0,
        stderr: expect.stringContaining('also set BACKUP_STORE') as unknown,
      });
      expect(everywhere()).toEqual(all(standby.url, STANDBY_TOKEN));
    });
  });

  it('to change anything without confirmation', async () => {
    const { code, stderr } = await accounts.run(['switch', 'standby'], '', env());
    expect([code, stderr, everywhere()]).toEqual([2, expect.stringContaining('not a terminal'), allOld()]);
  });
});
