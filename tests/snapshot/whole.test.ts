import type { RedisPort } from '../../lib/ports/redis.js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { intercept, ticking } from './intercept.js';
import { fill, withoutRunId } from './restarts.js';

/** About 200 keys a SCAN, so that there are many pages to be lost. */
const SETTINGS = { pageBytes: 100_000, inFlight: 2 };

describe('the walk over the names', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench();
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    await bench.database.redis.flushall();
    await fill(bench, 5_000);
  });

  it('reports how many keys a server counts and SCAN does not return, and the snapshot is incomplete', async () => {
    const hiding = intercept(bench.port, {
      after: (commands, replies) =>
        replies.map((reply, at) => {
          if (commands[at]?.[0] !== 'SCAN' || !('value' in reply)) return reply;
          const [cursor, flat] = reply.value as [Buffer, Buffer[]];
          const shown = flat.filter((_, index) => !/^k:1\d\d$/.test(flat[index - (index % 2)]?.toString() ?? ''));
          return { value: [cursor, shown] };
        }),
    });
    for (const redis of [hiding, withoutRunId(hiding)]) {
      const { manifest, run } = await bench.take({ redis });
      expect(manifest).toMatchObject({ state: 'incomplete', names: { unexplained: 100 }, counts: { keys: 4_900 } });
      expect(run).toMatchObject({ state: 'incomplete', result: { unexplained: 100 } });
      expect(run.error?.message).toContain('100 keys in DBSIZE were not found');
    }
  });

  it.each([
    ['most keys give way to fewer others while they are read', 3, 3_100],
    ['most keys give way to as many others while they are read', 4, 5_000],
    ['most keys give way to others during the walk', 7, 3_100],
  ])('detects when %s: the snapshot is doubtful', async (_what, at, others) => {
    const { manifest, run } = await bench.takeWhole({ redis: replacing(bench, at, 0, others) });
    expect(manifest.doubts).toMatchObject([{ code: 'emptied' }]);
    expect(manifest.doubts?.[0]?.detail).toMatch(/^\d+ of the first 100 keys that were read were gone/);
    expect(run.error?.code).toBe('doubtful');
  });

  it('detects it as well where a part holds fewer keys than the sample, because values are large', async () => {
    const redis = replacing(bench, 30, 0, 3_100);
    const { manifest } = await bench.takeWhole({ redis, settings: { partBytes: 2_000 } });
    expect(manifest.parts[0]?.keys).toBeLessThan(100);
    expect(manifest.doubts).toMatchObject([{ code: 'emptied' }]);
  });

  it('raises no doubt when a fifth of the keys are replaced by others', async () => {
    const { manifest } = await bench.takeWhole({ redis: replacing(bench, 3, 4_000, 1_000) });
    expect(manifest).not.toHaveProperty('doubts');
  });

  it('raises no doubt when keys with an expiry are replaced by others', async () => {
    const { redis } = bench.database;
    const batch = redis.pipeline();
    for (let at = 0; at < 4_000; at++) batch.expire(`k:${at}`, 60_000);
    await batch.exec();
    const { manifest } = await bench.takeWhole({ redis: replacing(bench, 3, 1_000, 4_000) });
    expect(manifest).not.toHaveProperty('doubts');
  });

  it('costs about one command for 4,000 keys', async () => {
    const { manifest } = await bench.takeWhole();
    expect(manifest.names).toEqual({ walks: 1, added: 0, unexplained: 0 });
    // A GET or PEXPIRETIME a key, then SCAN.
    expect(manifest.spent.commands).toBeLessThan(5_000 * 1.02 + 40);
  });

  it('takes as many attempts as it needs, with one request each', async () => {
    const redis = ticking(bench);
    const { id, attempts, manifest } = await bench.takeWhole({
      redis,
      attemptMs: 1,
      settings: { ...SETTINGS, partBytes: 50_000 },
    });
    expect(attempts).toBeGreaterThan(10);
    expect(manifest.names).toEqual({ walks: 1, added: 0, unexplained: 0 });
    expect(await bench.compare(id)).toMatchObject({ keys: 5_000, onlyInRedis: 0, onlyInSnapshot: 0 });
  });

  it('counts correctly when everything is deleted while it reads', async () => {
    let scans = 0;
    const redis = intercept(bench.port, {
      async before(commands) {
        if (commands[0]?.[0] === 'SCAN' && ++scans === 3) await bench.database.redis.flushall();
        return null;
      },
    });
    const { manifest, run } = await bench.take({ redis, settings: SETTINGS });
    expect(run.state).toBe('succeeded');
    expect(manifest?.dbsize).toEqual({ before: 5_000, after: 0 });
    expect(manifest?.names?.unexplained).toBe(0);
    expect(manifest?.ledger.vanished ?? 0).toBe(manifest?.ledger.expiredMeanwhile);
  });

  it('distinguishes deleted keys from expired ones', async () => {
    const { redis } = bench.database;
    let scans = 0;
    const port = intercept(bench.port, {
      async before(commands) {
        if (commands[0]?.[0] !== 'MGET' || ++scans !== 1) return null;
        const keys = commands[0].slice(1).map(String);
        await redis.del(...keys.slice(0, 3));
        const passing = keys.slice(3, 8);
        // A time that is past when the server gets to it is a deletion to it, and not counted as an expiry.
        for (const key of passing) await redis.pexpire(key, 200);
        while ((await redis.exists(...passing)) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
        return null;
      },
    });
    const { manifest } = await bench.takeWhole({ redis: port });
    expect(manifest.ledger).toMatchObject({ expiredMeanwhile: 8, vanished: 3 });
  });

  it('finds the keys that a swap of two databases brings', async () => {
    const { redis } = bench.database;
    await redis.select(1);
    const batch = redis.pipeline();
    for (let at = 0; at < 5_000; at++) batch.set(`other:${at}`, 'v');
    await batch.exec();
    await redis.select(0);
    let scans = 0;
    const port = intercept(bench.port, {
      async before(commands) {
        if (commands[0]?.[0] === 'SCAN' && ++scans === 8) await redis.swapdb(0, 1);
        return null;
      },
    });
    const { id } = await bench.takeWhole({ redis: port });
    expect(await bench.compare(id)).toMatchObject({ onlyInRedis: 0, different: 0 });
  });

  it('reads keys that are renamed, recreated or change their type meanwhile', async () => {
    const { redis } = bench.database;
    let scans = 0;
    const port = intercept(bench.port, {
      async before(commands) {
        if (commands[0]?.[0] !== 'SCAN' || ++scans % 2 !== 0 || scans > 8) return null;
        for (let at = scans * 100; at < scans * 100 + 50; at++) {
          await redis.rename(`k:${at}`, `renamed:${at}`);
          await redis.del(`k:${at + 1000}`);
          await redis.rpush(`k:${at + 1000}`, 'a', 'b');
          await redis.copy(`k:${at + 2000}`, `copy:${at}`);
        }
        return null;
      },
    });
    const { id } = await bench.takeWhole({ redis: port });
    expect(await bench.compare(id)).toMatchObject({ onlyInRedis: 0 });
  });
});

/** Before SCAN number `at` all keys but the last `kept` are deleted, and `others` come in their place. */
function replacing({ database, port }: SnapshotBench, at: number, kept: number, others: number): RedisPort {
  let scans = 0;
  return intercept(port, {
    async before(commands) {
      if (!commands.some(([name]) => name === 'SCAN') || ++scans !== at) return null;
      const batch = database.redis.pipeline();
      for (let key = 0; key < 5_000 - kept; key++) batch.del(`k:${key}`);
      for (let key = 0; key < others; key++) batch.set(`other:${key}`, 'v');
      await batch.exec();
      return null;
    },
  });
}
