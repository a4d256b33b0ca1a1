import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';
import { serveHttp, type HttpServer } from '../../dev/stand-in-server.js';
import { startUpstashAccount, type UpstashAccountStandIn } from '../../dev/upstash-account/index.js';
import { dumpOf } from '../support/dumps.js';
import { openDatabase } from '../support/redis-calls.js';
import { cli, cliJson, openStack, type CliStack } from './fixture.js';

const ID = '96ad0856-03b1-4ee7-9666-e81abd0349e1';

let stack: CliStack;
let redis: Redis;
let account: UpstashAccountStandIn;
let env: Record<string, string>;
beforeAll(async () => {
  stack = await openStack();
  redis = openDatabase(stack.urls.redis);
  const endpoint = new URL(stack.urls.redisRest).host;
  const databases = [{ id: ID, name: 'soulcaster', endpoint, redisUrl: stack.urls.redis }];
  account = await startUpstashAccount({ databases });
});
beforeEach(async () => {
  env = {
    ...(await stack.alone()),
    UPSTASH_EMAIL: account.email,
    UPSTASH_API_KEY: account.apiKey,
    UPSTASH_API_URL: account.url,
    UPSTASH_REDIS_ID: ID,
  };
});
afterAll(async () => {
  redis.disconnect();
  await account.stop();
  await stack.stop();
});

interface Backup {
  readonly id: string;
  readonly name: string;
}

async function made(name: string): Promise<Backup> {
  const { code, json } = await cliJson(['upstash', 'backups', 'create', '--name', name], env);
  expect(code).toBe(0);
  return json['backup'] as Backup;
}

const writes = (): number => account.requestCount('restore-backup') + account.requestCount('delete-backup');

describe('upstash backups', () => {
  it('are created, listed and deleted', async () => {
    const backup = await made('first');
    expect(backup).toMatchObject({ name: 'first', state: 'completed', createdAt: expect.stringMatching(/Z$/) });
    const listed = await cliJson(['upstash', 'backups', 'list'], env);
    expect(listed.json).toMatchObject({ database: ID, backups: [{ id: backup.id, made: 'by-hand' }] });
    const { stdout } = await cli(['upstash', 'backups', 'list'], env);
    expect(stdout).toMatch(new RegExp(`${backup.id}.*first.*completed`));
    const before = writes();
    const unasked = await cli(['upstash', 'backups', 'delete', backup.id], env);
    expect([unasked.code, writes()]).toEqual([2, before]);
    const deleted = await cliJson(['upstash', 'backups', 'delete', backup.id, '--yes'], env);
    expect([deleted.code, deleted.json['deleted']]).toEqual([0, expect.objectContaining({ id: backup.id })]);
    const gone = await cliJson(['upstash', 'backups', 'delete', backup.id, '--yes'], env);
    expect([gone.code, gone.json.error?.code]).toEqual([10, 'not-found']);
  });

  it('report what is missing, and what is wrong with the key', async () => {
    const less = { ...env, UPSTASH_EMAIL: '', UPSTASH_REDIS_ID: '' };
    const missing = await cliJson(['upstash', 'backups', 'list'], less);
    expect([missing.code, missing.json.error?.message]).toEqual([
      2,
      expect.stringMatching(/UPSTASH_EMAIL is missing.*UPSTASH_REDIS_ID is missing/),
    ]);
    const wrong = await cliJson(['upstash', 'backups', 'list'], { ...env, UPSTASH_API_KEY: 'not-the-right-key' });
    expect([wrong.code, wrong.json.error?.code]).toEqual([1, 'upstash-denied']);
  });
});

describe('upstash backups restore', () => {
  it('shows the plan, and requires the name of the database', async () => {
    const { id } = await made('shown');
    const dump = await dumpOf(stack.urls.redis);
    const dry = await cliJson(['upstash', 'backups', 'restore', '--dry-run'], env);
    const keys = Object.keys(dump).length;
    expect([dry.code, dry.json]).toEqual([
      0,
      expect.objectContaining({ dryRun: true, ours: true, keys, backup: expect.objectContaining({ id }) }),
    ]);
    const { stdout } = await cli(['upstash', 'backups', 'restore', id, '--dry-run'], env);
    for (const words of ['soulcaster', ID, new URL(stack.urls.redisRest).host, 'shown', 'ago', 'KiB'])
      expect(stdout).toContain(words);
    for (const confirm of [[], ['--confirm', id], ['--confirm', 'yes']]) {
      const refused = await cliJson(['upstash', 'backups', 'restore', id, ...confirm], env);
      expect([refused.code, refused.json.error?.code]).toEqual([2, 'not-confirmed']);
    }
    expect(account.requestCount('restore-backup')).toBe(0);
    expect(await dumpOf(stack.urls.redis)).toEqual(dump);
  });

  it('replaces everything, and names the snapshot for the undo, which is not the latest', async () => {
    await made('whole');
    const before = await dumpOf(stack.urls.redis);
    await redis.set('later', 'v');
    const { code, json, stderr } = await cliJson(
      ['upstash', 'backups', 'restore', 'latest', '--confirm', 'soulcaster'],
      env,
    );
    expect([code, stderr.includes('error')]).toEqual([0, false]);
    expect(json).toMatchObject({ dryRun: false, keysNow: Object.keys(before).length });
    expect(await dumpOf(stack.urls.redis)).toEqual(before);
    const undo = String(json['undo']);
    const listed = await cliJson(['list'], env);
    expect(listed.json['snapshots']).toMatchObject([
      { id: undo, purpose: 'safety', state: 'complete', trust: 'safety' },
    ]);
    const latest = await cliJson(['restore', 'latest', '--dry-run'], env);
    expect(latest.json.error?.code).toBe('not-found');
    const undone = await cliJson(['restore', undo, '--yes', '--no-reindex'], env);
    expect([undone.code, await redis.get('later')]).toEqual([0, 'v']);
    await redis.del('later');
  });
});

describe('upstash daily', () => {
  it('is shown and, after confirmation, switched', async () => {
    const status = async () => (await cliJson(['upstash', 'daily', 'status'], env)).json;
    expect(await status()).toEqual({ database: ID, dailyBackup: false, newest: null });
    const unasked = await cli(['upstash', 'daily', 'on'], env);
    expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining('1 or 3 days')]);
    expect((await cliJson(['upstash', 'daily', 'on', '--yes'], env)).json).toMatchObject({
      before: false,
      dailyBackup: true,
    });
    await account.backUpDaily(ID);
    expect(await status()).toMatchObject({ dailyBackup: true, newest: { made: 'daily' } });
    expect((await cliJson(['upstash', 'daily', 'off', '--yes'], env)).json).toMatchObject({ dailyBackup: false });
  });
});

describe("the providers' pages in doctor", () => {
  let pages: HttpServer;
  beforeAll(async () => {
    pages = await serveHttp((request, response) => {
      const indicator = request.url === '/vercel' ? 'major' : 'none';
      if (request.url === '/github') response.writeHead(500).end();
      else response.end(JSON.stringify({ status: { indicator, description: `as ${indicator} as can be` } }));
    });
  });
  afterAll(() => pages.stop());

  interface Check {
    readonly name: string;
    readonly status: string;
    readonly detail: string;
  }

  async function pagesSeen(args: readonly string[]): Promise<[number, Check[]]> {
    const addresses = ['upstash', 'vercel', 'github'].map((name) => `${name}=${pages.url}/${name}`).join(',');
    const { code, json } = await cliJson(['doctor', ...args], { ...env, PROVIDER_STATUS_URLS: addresses });
    return [code, (json['checks'] as Check[]).filter(({ name }) => name.startsWith('status-'))];
  }

  it('warn of a disturbance, and fail nothing', async () => {
    const [code, checks] = await pagesSeen([]);
    expect(code).toBe(0);
    expect(checks.map(({ name, status, detail }) => [name, status, detail])).toEqual([
      ['status-upstash', 'ok', 'as none as can be'],
      ['status-vercel', 'warn', expect.stringContaining('as major as can be')],
      ['status-github', 'skipped', expect.stringMatching(/status unknown.*500/)],
    ]);
  });

  it('are left out offline', async () => {
    expect(await pagesSeen(['--offline'])).toEqual([0, []]);
  });
});
