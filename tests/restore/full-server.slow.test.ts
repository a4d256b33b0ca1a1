import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { redisChecks } from '../../lib/health/checks/redis.js';
import { examine, type CheckResult } from '../../lib/health/doctor.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { startDrill } from '../../lib/restore/drill/run.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

const KEYS = 3_544;
const FEW = 60;

describe('a server that is full and evicts nothing', () => {
  let bench: RestoreBench;
  let scratch: RestoreBench;
  let snapshot = '';
  beforeAll(async () => {
    [bench, scratch] = await Promise.all([openRestoreBench(), openRestoreBench()]);
    const many = bench.database.redis.pipeline();
    for (let at = 0; at < KEYS - 4; at++) many.hset(`feedback:p1:${at}`, { id: `${at}`, title: `title ${at}` });
    many.hset('project:p1', { id: 'p1', user_id: 'u1' });
    many.sadd('user:projects:u1', 'p1');
    many.hset(Buffer.from([0xff, 0xfe]), 'f', 'a name that is no text');
    many.zadd('feedback:created:p1', 1, '1', 2, '2');
    await many.exec();
    await full(bench);
  });
  afterAll(async () => {
    await bench.stop();
    await scratch.stop();
  });
  beforeEach(() => full(bench));

  const full = (which: RestoreBench): Promise<unknown> =>
    which.database.redis.config('SET', 'maxmemory-policy', 'noeviction', 'maxmemory', '1');
  const roomy = (which: RestoreBench): Promise<unknown> => which.database.redis.config('SET', 'maxmemory', '0');

  const drill = async (): Promise<RunRecord> => {
    bench.clock.advance(1000);
    const parts = { targets: { drill: scratch.port } };
    const ports = { clock: bench.clock, redisOf: () => bench.port, signer: UNSIGNED, store: bench.folder.store };
    const started = await startDrill(ports, bench.engine(parts));
    if (!started.started) throw new Error(`held by ${started.holder}`);
    return bench.work(started.run.id, parts);
  };

  it('is saved whole, and compared', async () => {
    const manifest = await bench.snapshot();
    snapshot = manifest.id;
    expect(manifest).toMatchObject({ state: 'complete', counts: { keys: KEYS } });
    const { result, state } = await bench.restore(snapshot, { dryRun: true });
    expect([state, result]).toMatchObject(['succeeded', { plan: { total: { same: KEYS, write: 0, remove: 0 } } }]);
  });

  it('is reported as full by doctor, which does not block a backup', async () => {
    const results: CheckResult[] = [];
    for await (const result of examine(systemClock(), [redisChecks(() => bench.port, systemClock())]))
      results.push(result);
    expect(results.filter(({ status }) => status === 'fail')).toEqual([]);
    expect(results.find(({ name }) => name === 'redis-read')).toMatchObject({
      status: 'warn',
      detail: expect.stringContaining('the database is full') as unknown,
    });
  });

  it('is refused for lack of room before anything is written, in a dry run too', async () => {
    await bench.database.redis.del('feedback:p1:1', 'feedback:p1:2');
    const writes = bench.writes();
    for (const dryRun of [true, false]) {
      const run = await bench.restore(snapshot, { dryRun });
      expect(run).toMatchObject({ state: 'failed', error: { code: 'not-restorable' } });
      expect(run.error?.message).toMatch(/^The database has no room.*Nothing was written/);
    }
    expect(bench.writes()).toBe(writes);
    expect(await bench.database.redis.dbsize()).toBe(KEYS - 2);
    await roomy(bench);
    for (const at of [1, 2])
      await bench.database.redis.hset(`feedback:p1:${at}`, { id: `${at}`, title: `title ${at}` });
  });

  describe('with fewer keys', () => {
    beforeAll(async () => {
      await roomy(bench);
      await bench.database.redis.del(...Array.from({ length: KEYS - FEW }, (_, at) => `feedback:p1:${at + 10}`));
      snapshot = (await bench.snapshot({})).id;
    });

    it('takes a restore that only removes, with its safety snapshot and its proof', async () => {
      await roomy(bench);
      const { redis } = bench.database;
      const later = Array.from({ length: 40 }, (_, at) => `later:${at}`);
      await redis.mset(Object.fromEntries(later.map((key) => [key, 'x'])));
      await redis.set(Buffer.from([0xfe]), 'x');
      await full(bench);
      const run = await bench.restore(snapshot);
      expect(run).toMatchObject({ state: 'succeeded', error: null });
      expect(run.result).toMatchObject({ plan: { total: { remove: 41, write: 0 } }, undo: run.id });
      expect(await redis.dbsize()).toBe(FEW);
      await roomy(bench);
      expect((await bench.restore(run.id)).state).toBe('succeeded');
      expect(await redis.dbsize()).toBe(FEW + 41);
      await redis.del(...later, Buffer.from([0xfe]));
    });

    it('takes a restore that removes expired keys', async () => {
      await roomy(bench);
      const { redis } = bench.database;
      await redis.mset('brief', 'x', 'brief as well', 'y');
      for (const key of ['brief', 'brief as well']) await redis.pexpireat(key, bench.clock.now() + 10_000);
      const { id } = await bench.snapshot();
      for (const key of ['brief', 'brief as well']) await redis.persist(key);
      bench.clock.advance(20_000);
      await full(bench);
      const run = await bench.restore(id);
      expect(run).toMatchObject({
        state: 'succeeded',
        error: null,
        result: { plan: { total: { remove: 2, write: 0 } } },
      });
      expect(await redis.dbsize()).toBe(FEW);
    });

    it('takes the same restore of one project', async () => {
      await roomy(bench);
      const { redis } = bench.database;
      await redis.hset('feedback:p1:later', 'id', 'later');
      await full(bench);
      const run = await bench.restore(snapshot, { scope: { project: 'p1' } });
      expect(run).toMatchObject({
        state: 'succeeded',
        error: null,
        result: { plan: { total: { remove: 1, write: 0 } } },
      });
      expect(await redis.dbsize()).toBe(FEW);
    });

    it.each([
      ['a member of a list', 'feedback:created:p1', (key: string) => bench.database.redis.zrem(key, '1')],
      ['a project of a user', 'user:projects:u1', (key: string) => bench.database.redis.srem(key, 'p1')],
    ])('is refused for lack of room for %s alone', async (_, key, remove) => {
      const { redis } = bench.database;
      await roomy(bench);
      if (key.startsWith('user')) await redis.sadd(key, 'another');
      await remove(key);
      await full(bench);
      const ask = { scope: { project: 'p1' }, mode: 'merge' } as const;
      const writes = bench.writes();
      const run = await bench.restore(snapshot, ask);
      expect(run.error?.message).toMatch(/^The database has no room/);
      expect([run.state, bench.writes()]).toEqual(['failed', writes]);
      await roomy(bench);
      expect((await bench.restore(snapshot, ask)).state).toBe('succeeded');
      if (key.startsWith('user')) await redis.srem(key, 'another');
    });

    it('can be drilled from, and as scratch database makes the drill inconclusive before anything is written', async () => {
      expect((await drill()).state).toBe('succeeded');
      await full(scratch);
      const tried = await drill();
      expect(tried).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
      expect(tried.error?.message).toContain('the scratch database has no room');
      expect(await scratch.dump()).toEqual({});
    });
  });
});
