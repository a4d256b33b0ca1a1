import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RunRecord } from '../../lib/runs/model.js';
import { startDrill } from '../../lib/restore/drill/run.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

const KEYS = 3_544;

describe('a server that is full and evicts nothing', () => {
  let bench: RestoreBench;
  let scratch: RestoreBench;
  let snapshot = '';
  beforeAll(async () => {
    [bench, scratch] = await Promise.all([openRestoreBench(), openRestoreBench()]);
    const many = bench.database.redis.pipeline();
    for (let at = 0; at < KEYS - 1; at++) many.hset(`feedback:p1:${at}`, { id: `${at}`, title: `title ${at}` });
    many.hset('project:p1', { id: 'p1', user_id: 'u1' });
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

  it('is told to have no room before anything is written, in the dry run as well', async () => {
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

  it('takes a restore that only removes, with its safety snapshot and its proof', async () => {
    await roomy(bench);
    const { redis } = bench.database;
    const later = Array.from({ length: 40 }, (_, at) => `later:${at}`);
    await redis.mset(Object.fromEntries(later.map((key) => [key, 'x'])));
    await full(bench);
    const run = await bench.restore(snapshot);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(run.result).toMatchObject({ plan: { total: { remove: 40, write: 0 } }, undo: run.id });
    expect(await redis.dbsize()).toBe(KEYS);
    await roomy(bench);
    expect((await bench.restore(run.id)).state).toBe('succeeded');
    expect(await redis.dbsize()).toBe(KEYS + 40);
    await redis.del(...later);
  });

  it('is drilled with, and as scratch database makes the drill inconclusive before anything is written', async () => {
    expect((await drill()).state).toBe('succeeded');
    await full(scratch);
    const tried = await drill();
    expect(tried).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
    expect(tried.error?.message).toContain('the scratch database has no room');
    expect(await scratch.dump()).toEqual({});
  });
});
