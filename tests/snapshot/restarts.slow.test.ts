import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { ticking } from './intercept.js';
import { fill, restarting } from './restarts.js';

const ALL = { keys: 20_000, onlyInRedis: 0, onlyInSnapshot: 0, different: 0, examples: [] };
/** About 200 keys a SCAN, so that there are many pages to be lost. */
const SETTINGS = { pageBytes: 100_000, inFlight: 2 };

describe('a snapshot of a database whose server is started again', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench();
    await fill(bench);
  });
  afterAll(() => bench.stop());

  it.each([
    ['after the third page', 4],
    ['in the last page', 19],
    ['in the second walk', 35],
  ])('%s has every key', async (_name, at) => {
    for (const tells of [true, false]) {
      const redis = restarting(bench, { when: (scan) => scan === at, tells });
      const { id, manifest } = await bench.takeWhole({ redis });
      expect(await bench.compare(id)).toEqual(ALL);
      expect(manifest).toMatchObject({ names: { unexplained: 0 }, dbsize: { before: 20_000, after: 20_000 } });
    }
  });

  it('between two attempts has every key', async () => {
    let pages = 0;
    const redis = restarting(bench, { when: (_, cursor) => cursor !== '0' && ++pages % 40 === 0 });
    const { id, attempts } = await bench.takeWhole({ redis: ticking(bench, redis), attemptMs: 8, settings: SETTINGS });
    expect(attempts).toBeGreaterThan(5);
    expect(await bench.compare(id)).toEqual(ALL);
  });

  it.each([true, false])(
    'in every walk has every key, or says how many it lacks (run_id reported: %s)',
    async (tells) => {
      let inWalk = 0;
      const when = (_: number, cursor: string): boolean => (inWalk = cursor === '0' ? 1 : inWalk + 1) === 4;
      const redis = restarting(bench, { when, tells });
      const { id, manifest, run } = await bench.take({ redis });
      const { onlyInRedis } = await bench.compare(id);
      expect(manifest?.names?.unexplained).toBe(onlyInRedis);
      expect(run.state).toBe(onlyInRedis === 0 ? 'succeeded' : 'incomplete');
    },
  );

  it('and then lacks some of its keys has all that are left', async () => {
    const lost = Array.from({ length: 40 }, (_, at) => `k:${at * 500}`);
    try {
      const then = () => bench.database.redis.del(...lost);
      const redis = restarting(bench, { when: (scan) => scan === 10, then });
      const { id, manifest } = await bench.takeWhole({ redis });
      expect(await bench.compare(id)).toMatchObject({ onlyInRedis: 0, different: 0 });
      expect(manifest.dbsize).toEqual({ before: 20_000, after: 19_960 });
    } finally {
      await fill(bench);
    }
  });
});
