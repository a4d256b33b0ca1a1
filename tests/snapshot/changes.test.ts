import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { loadMixed } from '../../dev/data/index.js';
import type { RedisCommand } from '../../lib/ports/redis.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { intercept } from './intercept.js';
import { recordsByKey } from './lines.js';

describe('keys that change between the SCAN that returns them and their reading', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench();
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    await bench.database.redis.flushall();
    await loadMixed({ redisUrl: bench.database.url, keys: 60, seed: 3 });
    await bench.database.redis.mset('c:string', 'before', 'c:other', 'untouched', 'c:late', 'before');
    await bench.database.redis.hset('c:hash', 'f', 'before');
    await bench.database.redis.rpush('c:list', 'before');
  });

  /** Changes the database after the first SCAN, which names all of it, and before anything is read. */
  async function takeAround(act: () => Promise<unknown>) {
    let acted = false;
    const redis = intercept(bench.port, {
      after: async (commands, replies) => {
        if (!acted && commands.some(([name]) => name === 'SCAN')) {
          acted = true;
          await act();
        }
        return replies;
      },
    });
    const taken = await bench.take({ redis, settings: { inFlight: 1, pageBytes: 1e9, partBytes: 4e9 } });
    expect(acted).toBe(true);
    expect((await bench.verify(taken.id)).result).toMatchObject({ findings: [] });
    if (taken.manifest === null) throw new Error('no manifest');
    return { ...taken, manifest: taken.manifest, records: await recordsByKey(bench, taken.manifest) };
  }

  it('counts those that are deleted or expire, and saves all others', async () => {
    const { id, manifest, run, records } = await takeAround(async () => {
      await bench.database.redis.del('c:string', 'c:hash');
      await bench.database.redis.pexpire('c:list', 1);
      while ((await bench.database.redis.exists('c:list')) === 1);
    });
    expect(run.state).toBe('succeeded');
    expect(manifest.ledger).toMatchObject({
      expiredMeanwhile: 3,
      changedMeanwhile: { count: 0 },
      failed: { count: 0 },
    });
    expect(records.has('"c:string"')).toBe(false);
    expect(await bench.compare(id)).toMatchObject({ onlyInRedis: 0, onlyInSnapshot: 0, different: 0 });
  });

  it('saves their value at the time of reading', async () => {
    const { id, manifest } = await takeAround(async () => {
      await bench.database.redis.set('c:string', 'after', 'PX', 1e9);
      await bench.database.redis.hset('c:hash', 'f', 'after', 'g', 'more');
      await bench.database.redis.rpush('c:list', 'more', 'and more');
    });
    expect(manifest.ledger).toMatchObject({ expiredMeanwhile: 0, failed: { count: 0 } });
    expect(await bench.compare(id)).toMatchObject({ onlyInRedis: 0, onlyInSnapshot: 0, different: 0 });
  });

  it('reads those that change their type again, and reports them', async () => {
    const { redis } = bench.database;
    const { id, manifest, records } = await takeAround(async () => {
      await redis.multi().del('c:string').hset('c:string', 'f', 'now a hash').pexpire('c:string', 1e9).exec();
      await redis.multi().del('c:hash').set('c:hash', 'now a string').exec();
      await redis.multi().del('c:list').xadd('c:list', '1-1', 'f', 'now a stream').exec();
      await redis.multi().del('c:late').zadd('c:late', 1, 'now scores').exec();
    });
    expect(await bench.compare(id)).toMatchObject({ onlyInRedis: 0, onlyInSnapshot: 0, different: 0 });
    const { changedMeanwhile } = manifest.ledger;
    expect(changedMeanwhile.keys.map(({ key }) => key).sort()).toEqual(['c:hash', 'c:late', 'c:list', 'c:string']);
    expect(changedMeanwhile.keys[0]?.reason).toBe('changed its type');
    expect(records.get('"c:list"')?.[0]?.t).toBe('stream');
  });

  it('counts a stream that was deleted, and one that changed its type', async () => {
    const { redis } = bench.database;
    await redis.xadd('c:gone', '1-1', 'f', 'v');
    await redis.xadd('c:was', '1-1', 'f', 'v');
    const { id, manifest } = await takeAround(async () => {
      await redis.del('c:gone', 'c:was');
      await redis.set('c:was', 'now a string');
    });
    expect(manifest.ledger).toMatchObject({ expiredMeanwhile: 1, changedMeanwhile: { count: 1 } });
    expect(await bench.compare(id)).toMatchObject({ onlyInRedis: 0, onlyInSnapshot: 0, different: 0 });
  });

  it('reports a key whose type keeps changing, and is incomplete', async () => {
    const { redis } = bench.database;
    let hash = true;
    const flip = async (commands: readonly RedisCommand[]): Promise<null> => {
      const isAsked = commands.some(([name, key]) => name !== 'TYPE' && key?.toString() === 'c:string');
      if (!isAsked) return null;
      await redis.del('c:string');
      hash = !hash;
      await (hash ? redis.hset('c:string', 'f', 'v') : redis.rpush('c:string', 'v'));
      return null;
    };
    const { run, manifest } = await bench.take({ redis: intercept(bench.port, { before: flip }) });
    expect(run.state).toBe('incomplete');
    expect(manifest?.ledger.failed.keys).toEqual([{ key: 'c:string', reason: 'its type kept changing' }]);
  });
});

describe('a database that is written to at full speed', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench();
  });
  afterAll(() => bench.stop());

  it('gives a snapshot that verifies, with all keys that did not change', async () => {
    const still = await loadMixed({ redisUrl: bench.database.url, keys: 400, seed: 9 });
    let writing = true;
    const writer = hammer(bench, () => writing);
    const { id, manifest } = await bench.takeWhole({ settings: { partBytes: 20_000, pageBytes: 20_000 } });
    writing = false;
    expect(await writer).toBeGreaterThan(100);
    expect((await bench.verify(id)).result).toMatchObject({ findings: [], depth: 'lines' });
    const records = await recordsByKey(bench, manifest);
    expect(manifest.counts.keys).toBe(records.size);
    expect(manifest.ledger.saved).toBe(records.size);
    const hot = [...records.keys()].filter((key) => key.startsWith('"hot:')).length;
    expect(records.size - hot).toBe(still.keys);
    await bench.database.redis.del(await bench.database.redis.keys('hot:*'));
    expect(await bench.compare(id)).toMatchObject({ keys: still.keys, onlyInRedis: 0, different: 0 });
  });
});

/** Makes, changes, grows, expires, retypes and deletes keys until told to stop; says how many commands that were. */
async function hammer({ database: { redis } }: SnapshotBench, goesOn: () => boolean): Promise<number> {
  let commands = 0;
  for (let at = 0; goesOn(); at++) {
    const key = (kind: string): string => `hot:${kind}:${at % 50}`;
    const batch = redis.pipeline().set(key('string'), String(at)).set(key('short'), 'v', 'PX', 3);
    batch
      .hset(key('hash'), `f${at}`, 'v'.repeat(at % 500))
      .rpush(key('list'), at)
      .ltrim(key('list'), -20, -1);
    batch.xadd(key('stream'), '*', 'f', at).del(key('turns'));
    if (at % 2 === 0) batch.set(key('turns'), 'v');
    else batch.sadd(key('turns'), 'v');
    if (at % 7 === 0) batch.del(key('hash'), key('stream'));
    commands += (await batch.exec())?.length ?? 0;
  }
  return commands;
}
