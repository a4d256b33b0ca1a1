import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { intercept } from './intercept.js';
import { readBatch } from '../../lib/snapshot/read/batch.js';
import { recordOf } from '../../lib/snapshot/sent-value.js';

describe('a database that is full and refuses MULTI', () => {
  let bench: RestoreBench;
  const keys = 600;
  beforeAll(async () => {
    bench = await openRestoreBench({ snapshotReplyBytes: 60_000 });
    const { redis } = bench.database;
    const pipeline = redis.pipeline();
    for (let at = 0; at < keys; at++) {
      if (at % 3 === 0) pipeline.set(`string:${at}`, 'v'.repeat(100), 'PXAT', 4_102_444_800_000 + at);
      else if (at % 3 === 1) pipeline.hset(`hash:${at}`, 'f', 'v');
      else pipeline.xadd(`stream:${at}`, '1-1', 'f', 'v');
    }
    await pipeline.exec();
    await redis.rpush('big', ...Array.from({ length: 3000 }, (_, at) => `${at}`.padEnd(60, 'v')));
    await redis.config('SET', 'maxmemory-policy', 'noeviction', 'maxmemory', '1');
    await expect(redis.multi().get('big').exec()).rejects.toThrow();
  });
  afterAll(() => bench.stop());

  it('is saved whole and equals its snapshot', async () => {
    const manifest = await bench.snapshot();
    expect(manifest).toMatchObject({ state: 'complete', counts: { keys: keys + 1 } });
    expect(manifest.ledger.changedMeanwhile.count).toBe(0);
    expect(await bench.compare(manifest.id)).toMatchObject({ onlyInRedis: 0, onlyInSnapshot: 0, different: 0 });
    const { result } = await bench.restore(manifest.id, { dryRun: true });
    expect(result).toMatchObject({ plan: { total: { same: keys + 1, overwrite: 0, write: 0, remove: 0 } } });
  });

  it('counts a key as changed when its expiry changes while its value is read', async () => {
    let time = 4_102_444_800_000;
    const restless = intercept(bench.port, {
      after(commands, replies) {
        if (commands.length < 2) return replies;
        return replies.map((reply, at) => (commands[at]?.[0] === 'PEXPIRETIME' ? { value: time++ } : reply));
      },
    });
    const [outcome] = await readBatch(restless, [{ key: Buffer.from('string:0'), type: 'string' }]);
    expect(outcome).toMatchObject({ kind: 'line', changed: 'expiry' });
    expect(outcome?.kind === 'line' && recordOf(outcome.line).v).toBe('v'.repeat(100));
  });
});
