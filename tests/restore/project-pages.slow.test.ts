import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { changes } from '../support/dumps.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

const FILLER = Object.fromEntries(
  Array.from({ length: 600 }, (_, at) => [`note ${at}`, `${at} ${'x'.repeat(100)}`] as const),
);

describe('keys that tie others to a project and span several parts', () => {
  let bench: RestoreBench;
  beforeAll(async () => {
    bench = await openRestoreBench({ snapshotReplyBytes: 20_000 });
  });
  afterAll(() => bench.stop());

  it('tie them wherever the value names the project', async () => {
    const { redis } = bench.database;
    await redis.hset('project:p', { id: 'p', name: 'P' });
    for (let at = 0; at < 4; at++) {
      const job = { project_id: 'p', cluster_id: `c${at}`, status: 'done' };
      await redis.hset(`job:big${at}`, { ...FILLER, ...job });
      await redis.rpush(`job:big${at}:logs`, 'a line');
      await redis.zadd(`cluster:jobs:c${at}`, 1, `big${at}`);
    }
    await redis.hset('job:of another', { ...FILLER, project_id: 'q', cluster_id: 'c9' });
    await redis.sadd('user:projects:u', 'p', ...Object.values(FILLER));
    const whole = await bench.dump();
    const { id, parts } = await bench.snapshot({ settings: { partBytes: 10_000 } });
    expect(parts.filter(({ keys }) => keys === 0).length).toBeGreaterThan(10);
    await redis.flushall();
    expect(await bench.restore(id, { scope: { project: 'p' } })).toMatchObject({ state: 'succeeded' });
    expect(changes(whole, await bench.dump())).toEqual(['job:of another', 'user:projects:u']);
    expect(await redis.smembers('user:projects:u')).toEqual(['p']);
  });
});
