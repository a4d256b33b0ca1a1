import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { AppError } from '../../lib/errors.js';
import { bigHash, bigString, load, loadMixed } from '../../dev/data/index.js';
import { readDatabase } from '../support/database-reader.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

const run = promisify(execFile);
const MAIN = new URL('../../dist/dev/data/main.js', import.meta.url).pathname;

let database: TestDatabase;

beforeEach(async () => {
  database = await startTestDatabase();
});

afterEach(() => database.stop());

async function everything(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { key, type, expiresAt, digest } of readDatabase(database.url)) {
    found.set(key.toString('hex'), `${type} ${expiresAt} ${digest}`);
  }
  return found;
}

describe('loadMixed', () => {
  it('writes keys of all types under odd names, the same for the same seed', async () => {
    const loaded = await loadMixed({ redisUrl: database.url, keys: 600, seed: 5 });
    const first = await everything();
    expect(loaded).toEqual({ keys: 600, byFamily: expect.objectContaining({}), byProject: {} });
    expect(first.size).toBe(600);
    const types = new Set([...first.values()].map((text) => text.split(' ', 1)[0]));
    expect([...types].sort()).toEqual(['hash', 'list', 'set', 'stream', 'string', 'zset']);
    for (const name of ['', 'ff', Buffer.from('__proto__').toString('hex')]) expect(first.has(name)).toBe(true);
    expect([...first.values()].some((text) => / 41024448\d{5} /.test(text))).toBe(true);
    await database.redis.flushall();
    await loadMixed({ redisUrl: database.url, keys: 600, seed: 5 });
    expect(await everything()).toEqual(first);
    await database.redis.flushall();
    await loadMixed({ redisUrl: database.url, keys: 600, seed: 6 });
    expect(await everything()).not.toEqual(first);
  });

  it('has streams with groups, idle consumers, pending entries and deleted ones', async () => {
    await loadMixed({ redisUrl: database.url, keys: 600, seed: 5 });
    const streams = (await database.redis.call('SCAN', '0', 'COUNT', '10000', 'TYPE', 'stream')) as [string, string[]];
    let pending = 0;
    let deleted = 0;
    for (const key of streams[1].filter((name) => !name.includes('\ufffd'))) {
      const [count] = (await database.redis.call('XPENDING', key, 'readers')) as [number];
      const info = (await database.redis.call('XINFO', 'STREAM', key)) as unknown[];
      pending += count;
      if (info[info.indexOf('max-deleted-entry-id') + 1] !== '0-0') deleted++;
      expect(await database.redis.call('XINFO', 'GROUPS', key)).toHaveLength(2);
    }
    expect(pending).toBeGreaterThan(0);
    expect(deleted).toBeGreaterThan(0);
  });

  it('makes big keys of exactly the size asked for', async () => {
    await load(database.url, bigHash('fields', 12_345));
    await load(database.url, bigString('bytes', 1_000_001));
    await load(database.url, bigString('few', 3));
    expect(await database.redis.hlen('fields')).toBe(12_345);
    expect(await database.redis.strlen('bytes')).toBe(1_000_001);
    expect(await database.redis.strlen('few')).toBe(3);
    expect(await database.redis.dbsize()).toBe(3);
  });

  it('says what Redis refused without a value', async () => {
    const options = { redisUrl: database.url, keys: 12, seed: 5 };
    await loadMixed(options);
    const again = await loadMixed(options).catch((error: unknown) => error);
    expect(again).toBeInstanceOf(AppError);
    expect(again).toMatchObject({ code: 'redis-command', message: 'Redis refused a command: BUSYGROUP' });
  });
});

describe('the command line', () => {
  it('fills a database and prints the counts', async () => {
    const wanted = ['--projects', '2', '--items', '40', '--seed', '9', '--mixed', '30'];
    const { stdout } = await run(process.execPath, [MAIN, '--redis', database.url, ...wanted]);
    const counts = JSON.parse(stdout) as { keys: number; workspace: { byFamily: { feedback: number } } };
    expect(counts.keys).toBe(await database.redis.dbsize());
    expect(counts.workspace.byFamily.feedback).toBe(80);
  });

  it.each([
    [[], 2, '--redis is missing'],
    [['--redis', 'x', '--items', 'many'], 2, '--items takes a whole number'],
    [['--nonsense'], 2, 'The options cannot be read'],
    [['--redis', '/nowhere/redis.sock'], 1, 'Redis cannot be reached'],
  ])('ends %j with code %d', async (args, code, message) => {
    const ended = run(process.execPath, [MAIN, ...args]);
    await expect(ended).rejects.toMatchObject({ code, stdout: '', stderr: expect.stringContaining(message) });
  });
});
