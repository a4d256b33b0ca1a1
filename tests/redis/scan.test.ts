import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pipelineInHalves } from '../../lib/redis/halving.js';
import { scanReplies } from '../../lib/redis/scan.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';

describe('names that fill a reply', () => {
  let bench: SnapshotBench;
  const names = Array.from({ length: 200 }, (_, at) => `${at}:`.padEnd(2000, 'n'));
  beforeAll(async () => {
    bench = await openSnapshotBench({ replyBytes: 20_000 });
    for (const name of names) await bench.database.redis.set(name, 'v');
  });
  afterAll(() => bench.stop());

  it('are all returned by SCAN, with a COUNT that fits', async () => {
    const seen = new Set<string>();
    for await (const { items } of scanReplies(bench.port, '0', () => 1000)) {
      for (let at = 0; at < items.length; at += 2) seen.add(String(items[at]));
    }
    expect([...seen].sort()).toEqual([...names].sort());
  });

  it('are saved', async () => {
    const { manifest } = await bench.takeWhole();
    expect(manifest.counts.keys).toBe(names.length);
  });

  it('are read in requests that fit', async () => {
    const asked = await pipelineInHalves(
      bench.port,
      names.map((name) => ['EXISTS', name]),
    );
    expect(asked).toEqual(names.map(() => ({ value: 1 })));
    await bench.database.redis.flushall();
  });

  it('are reported as too large when they do not fit even alone', async () => {
    await bench.database.redis.set('n'.repeat(30_000), 'v');
    const walk = async () => {
      for await (const { next } of scanReplies(bench.port, '0', () => 1000)) if (next === null) return;
    };
    await expect(walk()).rejects.toMatchObject({
      code: 'redis-reply-too-large',
      message: 'A reply of SCAN is over the size limit even with COUNT 1',
    });
    expect(await pipelineInHalves(bench.port, [['EXISTS', 'n'.repeat(30_000)]])).toEqual([
      { error: 'ERR max request size exceeded' },
    ]);
  });
});
