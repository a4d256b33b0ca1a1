import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RedisCommand, RedisPort } from '../../lib/ports/redis.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { ticking } from './intercept.js';
import { fill, restarting, type Restarting } from './restarts.js';

const KEYS = 4_000;
/** So that a walk is twenty pages. */
const COUNT = 200;
const ALL = { keys: KEYS, onlyInRedis: 0, onlyInSnapshot: 0, different: 0, examples: [] };

/** Few keys a page, so that there are many pages to be lost. */
function inSmallPages(port: RedisPort, count: number): RedisPort {
  const smaller = ([name, ...args]: RedisCommand): RedisCommand =>
    name === 'SCAN' ? [name, ...args.map((arg, at) => (args[at - 1] === 'COUNT' ? count : arg))] : [name, ...args];
  return { ...port, pipeline: (commands) => port.pipeline(commands.map(smaller)) };
}

describe('a snapshot of a database whose server is started again', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench();
    await fill(bench, KEYS);
  });
  afterAll(() => bench.stop());

  const restart = (how: Restarting, count = COUNT): RedisPort =>
    restarting({ ...bench, port: inSmallPages(bench.port, count) }, how);

  it.each([
    ['after the third page', 4],
    ['in the last page', 19],
    ['in the second walk', 35],
  ])('%s has every key', async (_name, at) => {
    for (const tells of [true, false]) {
      const redis = restart({ when: (scan) => scan === at, tells });
      const { id, manifest } = await bench.takeWhole({ redis });
      expect(await bench.compare(id)).toEqual(ALL);
      expect(manifest).toMatchObject({ names: { unexplained: 0 }, dbsize: { before: KEYS, after: KEYS } });
    }
  });

  it('between two attempts has every key', async () => {
    let pages = 0;
    const redis = restart({ when: (_, cursor) => cursor !== '0' && ++pages % 30 === 0 });
    const { id, attempts } = await bench.takeWhole({
      redis: ticking(bench, redis),
      attemptMs: 8,
      settings: { inFlight: 2 },
    });
    expect(pages).toBeGreaterThanOrEqual(30);
    expect(attempts).toBeGreaterThan(5);
    expect(await bench.compare(id)).toEqual(ALL);
  });

  it.each([true, false])(
    'in every walk has every key, or says how many it lacks (run_id reported: %s)',
    async (tells) => {
      let inWalk = 0;
      const when = (_: number, cursor: string): boolean => (inWalk = cursor === '0' ? 1 : inWalk + 1) === 4;
      const redis = restart({ when, tells });
      const { id, manifest, run } = await bench.take({ redis });
      const { onlyInRedis } = await bench.compare(id);
      expect(manifest?.names?.unexplained).toBe(onlyInRedis);
      expect(run.state).toBe(onlyInRedis === 0 ? 'succeeded' : 'incomplete');
    },
  );

  it('and then lacks some of its keys has all that are left', async () => {
    const lost = Array.from({ length: 40 }, (_, at) => `k:${at * 100}`);
    try {
      const then = () => bench.database.redis.del(...lost);
      const redis = restart({ when: (scan) => scan === 10, then });
      const { id, manifest } = await bench.takeWhole({ redis });
      expect(await bench.compare(id)).toMatchObject({ onlyInRedis: 0, different: 0 });
      expect(manifest.dbsize).toEqual({ before: KEYS, after: KEYS - lost.length });
    } finally {
      await fill(bench, KEYS);
    }
  });
});
