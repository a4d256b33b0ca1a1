import { isUtf8 } from 'node:buffer';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';
import type { RedisCommand, RedisPort } from '../../lib/ports/redis.js';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { sha256 } from '../../lib/snapshot/manifest.js';
import { unfinishedOf } from '../../lib/snapshot/unfinished-marks.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import { intercept } from '../snapshot/intercept.js';
import { changes } from '../support/dumps.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

describe('a target that cannot hold lists of members', () => {
  let bench: RestoreBench;
  beforeAll(async () => {
    bench = await openRestoreBench({ snapshotReplyBytes: 60_000 });
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.flushall());

  const isScript = ([name, ...args]: RedisCommand): boolean =>
    /^EVAL/.test(name) || args.some((argument) => Buffer.isBuffer(argument) && !isUtf8(argument));
  const isLate = ([name, , time]: RedisCommand): boolean => name === 'PEXPIREAT' && Number(time) > 2 ** 46;
  /** The same database by a token or a server that does not take such commands. */
  const without = (lacking: (command: RedisCommand) => boolean, error: string): RedisPort =>
    intercept(bench.port, {
      before: (commands) => (commands.some(lacking) ? commands.map(() => ({ error })) : null),
    });
  const noScripts = () => without(isScript, 'NOPERM this user has no permissions to run the command');
  const noLateExpiry = () => without(isLate, 'ERR invalid expire time');

  const KEY = 'feedback:unclustered:p1';
  const CASES: [string, string, () => RedisPort, (redis: Redis) => Promise<unknown>][] = [
    ['a member that is no text', 'binary', noScripts, (redis) => redis.sadd(KEY, Buffer.from([0xff]))],
    [
      'more members than a page',
      'binary',
      noScripts,
      (redis) => redis.sadd(KEY, ...Array.from({ length: 2500 }, (_, at) => `${at}`)),
    ],
    ['a late expiry', 'expiry-range', noLateExpiry, (redis) => redis.pexpireat(KEY, 2 ** 47)],
  ];
  it.each(CASES)('is refused before the first write: %s', async (_case, code, redis, make) => {
    const { redis: database } = bench.database;
    await database.hset('project:p1', 'id', 'p1');
    await database.sadd(KEY, 'a', 'b');
    await make(database);
    const { id } = await bench.snapshot();
    await database.flushall();
    for (const dryRun of [true, false]) {
      const run = await bench.restore(id, { mode: 'merge', dryRun }, { redis: redis() });
      expect(run).toMatchObject({
        state: 'failed',
        error: { code: 'not-restorable', message: expect.stringContaining(KEY) },
        result: { plan: { lacks: [{ code, count: 1, names: [KEY] }] } },
      });
      expect(await database.dbsize()).toBe(0);
    }
    const whole = await bench.restore(id, { mode: 'merge' });
    expect(whole).toMatchObject({ state: 'succeeded', error: null });
    // What is there already takes nothing.
    expect(await bench.restore(id, { mode: 'merge', dryRun: true })).toMatchObject({ result: { plan: { lacks: [] } } });
  });

  it('is refused for an element that is larger than a request', async () => {
    const { redis } = bench.database;
    await redis.hset('large', 'f', 'x'.repeat(1_500_000));
    const { id } = await bench.snapshot({ redis: bench.port });
    await redis.flushall();
    const run = await bench.restore(id, {}, { redis: noScripts() });
    expect(run).toMatchObject({ error: { code: 'not-restorable' }, result: { plan: { lacks: [{ code: 'binary' }] } } });
    expect(await bench.restore(id)).toMatchObject({ state: 'succeeded' });
  });
});

describe('a token that may run some commands only', () => {
  let bench: RestoreBench;
  const servers: UpstashRedisStandIn[] = [];
  beforeAll(async () => {
    bench = await openRestoreBench();
  });
  afterAll(async () => {
    for (const server of servers) await server.stop();
    await bench.stop();
  });

  async function as(rights: string): Promise<RedisPort> {
    const user = `user${servers.length}`;
    await bench.database.redis.call('ACL', 'SETUSER', user, 'on', '>secret', '~*', '+command', ...rights.split(' '));
    const redisUrl = `${bench.database.url}?username=${user}&password=secret`;
    const server = await startUpstashRedis({ redisUrl, token: 'test' });
    servers.push(server);
    const { host } = bench.port;
    return { ...upstashRedis({ url: server.url, token: 'test', clock: systemClock() }), host };
  }

  it.each([
    ['reads alone', '+@read +ping +info +time +eval +eval_ro +multi +exec', /UNLINK/],
    ['writes no hash and no sorted set', '+@all -hset -zadd', /HSET, ZADD/],
    ['removes nothing', '+@all -unlink', /UNLINK/],
  ])('is refused before anything is written, and leaves no snapshot and no mark: %s', async (_case, rights, names) => {
    const { redis } = bench.database;
    await redis.flushall();
    await redis.set('string', 'v');
    await redis.hset('hash', 'f', 'v');
    await redis.zadd('feedback:created:p', 1, 'item');
    const { id } = await bench.snapshot();
    await redis.flushall();
    await redis.mset('newer', 'v', 'string', 'other');
    const before = await bench.dump();
    for (const mode of ['replace', 'merge'] as const) {
      const run = await bench.restore(id, { mode }, { redis: await as(rights) });
      expect(run).toMatchObject({ state: 'failed', error: { code: 'redis-denied' } });
      expect(run.error?.message).toMatch(names);
      expect(run.error?.message).toContain('Nothing was written');
      expect(changes(before, await bench.dump())).toEqual([]);
      expect(await unfinishedOf(bench.folder.store, sha256(bench.port.host))).toEqual([]);
      for await (const { name } of bench.folder.store.list(`snapshots/${run.id}/`)) throw new Error(`left: ${name}`);
    }
  });

  it('does not block a restore that needs only these commands', async () => {
    const { redis } = bench.database;
    await redis.flushall();
    await redis.set('string', 'v');
    await redis.hset('hash', 'f', 'v');
    const { id } = await bench.snapshot();
    await redis.set('string', 'other');
    const run = await bench.restore(id, {}, { redis: await as('+@all -hset') });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(await redis.get('string')).toBe('v');
  });
});
