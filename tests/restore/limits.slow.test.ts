import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dumpOf } from '../support/dumps.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { systemClock } from '../../lib/services/clock.js';
import type { RedisPort } from '../../lib/ports/index.js';

const MB = 1024 * 1024;

describe('a restore into a target with limits', () => {
  let bench: RestoreBench;
  let other: TestDatabase;
  let server: UpstashRedisStandIn;
  let narrow: RedisPort;
  beforeAll(async () => {
    bench = await openRestoreBench();
    other = await startTestDatabase();
    server = await startUpstashRedis({ redisUrl: other.url, token: 'test', requestLimitBytes: MB });
    narrow = upstashRedis({ url: server.url, token: 'test', clock: systemClock() });
  });
  afterAll(async () => {
    await server.stop();
    await other.stop();
    await bench.stop();
  });

  it('writes and removes in requests that a plan of 1 MB takes', async () => {
    const { redis } = bench.database;
    await redis.flushall();
    const hash = Object.fromEntries(Array.from({ length: 400 }, (_, at) => [`field ${at}`, 'v'.repeat(9000)]));
    await redis.hset('a big hash', hash);
    await redis.set('a big string', 's'.repeat(3 * MB));
    await redis.rpush('a list', ...Array.from({ length: 300 }, (_, at) => `${at} ${'i'.repeat(9000)}`));
    // Control characters take six bytes in JSON.
    await redis.set('escaped', '\u0001'.repeat(300_000));
    const { id } = await bench.snapshot();
    await other.redis.flushall();
    for (let at = 0; at < 80; at++) await other.redis.set(`${at}${'n'.repeat(8000)}`, 'x');
    const targets = { narrow };
    const run = await bench.restore(id, { target: 'narrow', safety: false }, { targets });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(await dumpOf(other.url)).toEqual(await bench.dump());
  });

  it('is refused before the first write when the target is full or would be', async () => {
    const { redis } = bench.database;
    await redis.flushall();
    for (let at = 0; at < 300; at++) await redis.set(`feedback:${at}`, `${at} ${'v'.repeat(20_000)}`);
    const { id } = await bench.snapshot();
    await other.redis.flushall();
    await other.redis.set('here', 'x');
    const targets = { narrow };
    const used = Number(/used_memory:(\d+)/.exec(await other.redis.info('memory'))?.[1]);
    try {
      for (const room of [2 * MB, -1024]) {
        await other.redis.config('SET', 'maxmemory', String(used + room));
        const before = await dumpOf(other.url);
        for (const dryRun of [true, false]) {
          const run = await bench.restore(id, { target: 'narrow', dryRun }, { targets });
          expect(run).toMatchObject({ state: 'failed', error: { code: 'not-restorable' } });
          expect(run.error?.message).toMatch(/no room: this restore writes at least 6\d{6} bytes.*Nothing was written/);
        }
        expect(await dumpOf(other.url)).toEqual(before);
      }
    } finally {
      await other.redis.config('SET', 'maxmemory', '0');
    }
  });

  it('names the key that the target refuses during the write', async () => {
    const { redis } = bench.database;
    await redis.flushall();
    await redis.mset('one', '1', 'two', '2');
    await redis.hset('hash', 'f', '1');
    const { id } = await bench.snapshot();
    await redis.flushall();
    const refusing = {
      ...bench.port,
      transaction: async (commands: Parameters<RedisPort['transaction']>[0]) => {
        const replies = await bench.port.transaction(commands);
        return replies.map((reply, at) =>
          commands[at]?.[0] === 'HSET' ? { error: "OOM command not allowed when used memory > 'maxmemory'." } : reply,
        );
      },
    };
    for (const mode of ['replace', 'missing'] as const) {
      const run = await bench.restore(id, { mode }, { redis: refusing });
      expect(run).toMatchObject({ state: 'failed', error: { code: 'redis-command' } });
      expect(run.error?.message).toMatch(/refused HSET: OOM, for key "hash"/);
      await redis.flushall();
    }
  });
});

describe('unusual expiries', () => {
  let bench: RestoreBench;
  beforeAll(async () => {
    bench = await openRestoreBench();
  });
  afterAll(() => bench.stop());

  it.each(['replace', 'merge', 'missing'] as const)(
    'are restored to the server that they came from (%s)',
    async (mode) => {
      const { redis } = bench.database;
      await redis.flushall();
      await redis.set('s', '1');
      await redis.rpush('l', '1');
      await redis.call('PEXPIREAT', 's', '9223372036854775807');
      await redis.call('PEXPIREAT', 'l', '9223372036854775806');
      const { id } = await bench.snapshot();
      const before = await bench.dump();
      await redis.flushall();
      expect(await bench.restore(id, { mode })).toMatchObject({ state: 'succeeded', error: null });
      expect(await bench.dump()).toEqual(before);
    },
  );

  it('that the target refuses are found in the plan, by key', async () => {
    const { redis } = bench.database;
    await redis.flushall();
    await redis.mset('a', '1', 'b', '2', 'late', '3');
    await redis.call('PEXPIREAT', 'late', '9223372036854775807');
    const { id } = await bench.snapshot();
    await redis.flushall();
    const strict = {
      ...bench.port,
      pipeline: async (commands: Parameters<RedisPort['pipeline']>[0]) =>
        commands[0]?.[0] === 'PEXPIREAT'
          ? [{ error: "ERR invalid expire time in 'pexpireat' command" }]
          : bench.port.pipeline(commands),
    };
    for (const dryRun of [true, false]) {
      const run = await bench.restore(id, { dryRun }, { redis: strict });
      expect(run).toMatchObject({ state: 'failed', error: { code: 'not-restorable' } });
      expect(run.error?.message).toMatch(/PEXPIREAT.*1 key \("late"\)/);
      expect(await redis.dbsize()).toBe(0);
    }
    expect(await bench.restore(id, { expiry: 'drop' }, { redis: strict })).toMatchObject({ state: 'succeeded' });
  });
});
