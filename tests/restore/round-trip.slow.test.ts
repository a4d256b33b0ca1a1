import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc, { cases } from '../support/fast-check.js';
import { loadMixed, loadWorkspace } from '../../dev/data/index.js';
import { changes } from '../support/dumps.js';
import { describeEngines } from '../support/describe-engines.js';
import { batch } from '../support/redis-calls.js';
import { NOW, openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { anyDatabaseOf } from './any-database.js';

const NOTHING_WRONG = { onlyInRedis: 0, onlyInSnapshot: 0, different: 0, examples: [] };
const ALL_EQUAL = { expired: 0, kept: 0, missing: 0, different: 0 };

await describeEngines('everything, restored', ({ fieldExpiry, program }) => {
  let bench: RestoreBench;
  beforeAll(async () => {
    bench = await openRestoreBench({ program });
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.flushall());

  it('restores any database exactly, into an empty one and over any other', async () => {
    const anyDatabase = anyDatabaseOf({ fieldExpiry });
    await fc.assert(
      fc.asyncProperty(anyDatabase, anyDatabase, async ({ keys, commands }, other) => {
        const { redis } = bench.database;
        await redis.flushall();
        await batch(redis, commands);
        const before = await bench.dump();
        const { id } = await bench.snapshot({ settings: { partBytes: 300 } });
        for (const found of [[], other.commands]) {
          await redis.flushall();
          await batch(redis, found);
          const run = await bench.restore(id);
          expect(run).toMatchObject({ state: 'succeeded', error: null, checkpoint: null });
          expect(run.result).toMatchObject({
            proof: { total: { equal: keys, ...ALL_EQUAL }, examples: [] },
            extras: 0,
          });
          expect(await bench.compare(id)).toEqual({ keys, ...NOTHING_WRONG });
          expect(changes(before, await bench.dump())).toEqual([]);
        }
      }),
      { numRuns: cases(10) },
    );
  });

  it('leaves an empty database for an empty snapshot', async () => {
    const { id } = await bench.snapshot();
    const nothing = await bench.restore(id);
    expect(nothing).toMatchObject({ state: 'succeeded', result: { undo: nothing.id, targetEmpty: true } });
    await bench.database.redis.mset('a', '1', 'project:p', '2');
    const run = await bench.restore(id);
    expect(run).toMatchObject({ state: 'succeeded', result: { undo: run.id, removed: 2, extras: 0 } });
    expect(await bench.dump()).toEqual({});
  });

  it.each([0, 1])('restores a workspace, with %i tasks in one attempt at a time', async (inline) => {
    const { url, redis } = bench.database;
    const { keys } = await loadWorkspace({ redisUrl: url, projects: 2, items: 30, seed: 9, now: NOW, locked: false });
    const { id, parts } = await bench.snapshot({ settings: { partBytes: 40_000 } });
    expect(parts.length).toBeGreaterThan(3);
    await redis.flushall();
    await redis.set('stray', 'goes');
    const run = await bench.restore(id, {}, { inline });
    expect(run).toMatchObject({ state: 'succeeded', result: { removed: 1, written: { written: keys } } });
    expect(run.result).toMatchObject({
      proof: { total: { equal: keys, ...ALL_EQUAL } },
      plan: { total: { write: keys } },
    });
    expect(await bench.compare(id)).toEqual({ keys, ...NOTHING_WRONG });
  });

  it('writes only keys that differ', async () => {
    const { url, redis } = bench.database;
    const { keys } = await loadMixed({ redisUrl: url, keys: 200, seed: 3 });
    const { id } = await bench.snapshot();
    await redis.set('extra', '1');
    const [changed = ''] = await redis.keys('*string*').then((names) => names.sort());
    await redis.del(changed);
    await redis.hset(changed, 'f', 'v');
    const run = await bench.restore(id);
    expect(run.result).toMatchObject({
      plan: { total: { write: 0, overwrite: 1, same: keys - 1, remove: 1 } },
      written: { written: 1 },
      removed: 1,
    });
    expect(await bench.compare(id)).toEqual({ keys, ...NOTHING_WRONG });
  });
});

describe('values that take many lines and parts', () => {
  let bench: RestoreBench;
  beforeAll(async () => {
    bench = await openRestoreBench({ snapshotReplyBytes: 40_000 });
  });
  afterAll(() => bench.stop());

  it('are restored whole, over later changes', async () => {
    const { redis, url } = bench.database;
    const mixed = await loadMixed({ redisUrl: url, keys: 40, seed: 8 });
    await redis.set('big:text', 'né€👋'.repeat(6000));
    await redis.pexpireat('big:text', NOW + 1e9);
    const members = Array.from({ length: 1200 }, (_, at) => `member ${at} ${'x'.repeat(40)}`);
    await redis.sadd('big:set', ...members);
    await redis.rpush('big:list', ...members);
    const keys = mixed.keys + 3;
    const { id, parts } = await bench.snapshot({ settings: { partBytes: 0.01 * 1024 * 1024 } });
    expect(parts.some((part) => part.keys === 0)).toBe(true);
    await redis.srem('big:set', 'member 7');
    await redis.sadd('big:set', 'another');
    await redis.append('big:text', 'more');
    await redis.lset('big:list', 700, 'changed');
    const run = await bench.restore(id);
    expect(run).toMatchObject({ state: 'succeeded', result: { plan: { total: { overwrite: 3, same: mixed.keys } } } });
    expect(await bench.compare(id)).toEqual({ keys, ...NOTHING_WRONG });
    await redis.flushall();
    expect((await bench.restore(id)).result).toMatchObject({ proof: { total: { equal: keys, ...ALL_EQUAL } } });
    expect(await bench.compare(id)).toEqual({ keys, ...NOTHING_WRONG });
    expect(await redis.keys('soulcaster-backup:*')).toEqual([]);
  });
});
