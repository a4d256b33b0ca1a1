import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sha256 } from '../../lib/snapshot/manifest.js';
import { makeSnapshot } from '../support/made-snapshots.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { restarting } from './restarts.js';

const SIZE = 5_000;
const NAMES = Array.from({ length: SIZE }, (_, at) => `element ${at} ${'x'.repeat(20)}`);
const TYPES = [
  ['hash', 'HSCAN'],
  ['set', 'SSCAN'],
  ['zset', 'ZSCAN'],
] as const;
const CASES = TYPES.flatMap(([type, command]) => [true, false].map((tells) => ({ type, command, tells })));

describe('a large value whose server is started again between two of its pages', () => {
  let bench: RestoreBench;
  beforeAll(async () => {
    bench = await openRestoreBench({ snapshotReplyBytes: 60_000, requestLimitBytes: 60_000 });
  });
  afterAll(() => bench.stop());

  async function fill(type: string): Promise<void> {
    const { redis } = bench.database;
    await redis.flushall();
    if (type === 'hash') await redis.hset('big', ...NAMES.flatMap((name) => [name, '1']));
    if (type === 'set') await redis.sadd('big', ...NAMES);
    if (type === 'zset') await redis.zadd('big', ...NAMES.flatMap((name, at) => [at, name]));
  }

  it.each(CASES)('is saved whole: $type (run_id reported: $tells)', async ({ type, command, tells }) => {
    await fill(type);
    const redis = restarting(bench, { command, when: (scan) => scan === 3, tells });
    const { id } = await bench.snapshot({ redis });
    expect(await bench.compare(id)).toMatchObject({ keys: 1, onlyInRedis: 0, different: 0 });
  });

  it('is reported as failed, and the snapshot is incomplete, where that keeps happening', async () => {
    await fill('hash');
    const redis = restarting(bench, { command: 'HSCAN', when: (scan) => scan % 2 === 0 });
    await expect(bench.snapshot({ redis })).rejects.toThrow(/incomplete: 1 key could not be read|1 keys? /);
  });

  it.each(TYPES)('is compared whole, in the plan and in the proof: %s', async (type, command) => {
    await fill(type);
    const { id } = await bench.snapshot();
    const redis = restarting(bench, { command, when: (scan) => scan % 9 === 3 });
    expect(await bench.restore(id, { dryRun: true }, { redis })).toMatchObject({
      result: { plan: { total: { same: 1, overwrite: 0 } } },
    });
  });

  it('is a list of members: mode merge removes each member from every other list', async () => {
    const { redis } = bench.database;
    await redis.flushall();
    const ids = NAMES.map((name) => name.replaceAll(' ', '-'));
    const at = new Date(bench.clock.now()).toISOString();
    const id = await makeSnapshot(bench.folder.store, {
      at,
      source: sha256(bench.port.host),
      lines: [{ k: 'feedback:unclustered:p', t: 'set', v: ids }],
    });
    await redis.sadd('cluster:p:c:items', ...ids);
    const port = restarting(bench, { command: 'SSCAN', when: (scan) => scan === 3 });
    expect(await bench.restore(id, { mode: 'merge' }, { redis: port })).toMatchObject({ error: null });
    const after = bench.database.redis;
    expect(await after.scard('feedback:unclustered:p')).toBe(SIZE);
    expect(await after.exists('cluster:p:c:items')).toBe(0);
  });
});
