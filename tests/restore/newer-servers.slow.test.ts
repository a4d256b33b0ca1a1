import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import { presentEngines } from '../support/engines.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

const HASHES = 10_000;
/** Knows fields that expire, and does not say in INFO whether there are any. */
const valkey = (await presentEngines()).filter(({ name }) => name === 'valkey 9');

describe.each(valkey)('10,000 hashes on $name', ({ program }) => {
  let bench: RestoreBench;
  let old: TestDatabase;
  let server: UpstashRedisStandIn;
  beforeAll(async () => {
    [bench, old] = await Promise.all([openRestoreBench({ program }), startTestDatabase()]);
    server = await startUpstashRedis({ redisUrl: old.url, token: 'test' });
    const many = bench.database.redis.pipeline();
    for (let at = 0; at < HASHES; at++) many.hset(`feedback:p:${at}`, { id: `${at}`, title: `title ${at}` });
    await many.exec();
  });
  afterAll(async () => {
    await server.stop();
    await old.stop();
    await bench.stop();
  });

  it('are saved in 100 requests at most, and planned in 100', async () => {
    const manifest = await bench.snapshot();
    expect(manifest).toMatchObject({ state: 'complete', counts: { keys: HASHES } });
    expect(manifest.spent.requests).toBeLessThanOrEqual(100);
    const { result } = await bench.restore(manifest.id, { dryRun: true });
    expect(result).toMatchObject({ plan: { total: { same: HASHES } } });
    expect((result as unknown as { spent: { requests: number } }).spent.requests).toBeLessThanOrEqual(100);
  });

  it('with 10,000 other keys and one field that expires are refused by an older server before the first write', async () => {
    const { redis } = bench.database;
    await redis.call('HPEXPIREAT', 'feedback:p:7777', '4102444800000', 'FIELDS', '1', 'title');
    await redis.mset(Object.fromEntries(Array.from({ length: HASHES }, (_, at) => [`other:${at}`, 'v'])));
    const { id, parts } = await bench.snapshot({ settings: { partBytes: 200_000 } });
    expect(parts.length).toBeGreaterThan(2);
    const targets = { old: upstashRedis({ url: server.url, token: 'test', clock: systemClock() }) };
    for (const dryRun of [true, false]) {
      const run = await bench.restore(id, { target: 'old', dryRun }, { targets });
      expect(run).toMatchObject({ state: 'failed', error: { code: 'not-restorable' } });
      expect(run.error?.message).toMatch(/HPEXPIREAT.*1 key.*"feedback:p:7777".*Nothing was written/);
    }
    expect([server.writeCommandCount(), await old.redis.dbsize()]).toEqual([0, 0]);
  });
});
