import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

let bench: RestoreBench;
beforeAll(async () => {
  bench = await openRestoreBench();
  await bench.database.redis.set('key', 'v');
});
afterAll(() => bench.stop());

describe("a client's key with the prefix of our own keys", () => {
  const NAMES = ['soulcaster-backup:restore:notes', 'soulcaster-backup:restore:a:b', 'soulcaster-backup:mine'];

  it('is saved, restored, removed and restored by an undo like any other', async () => {
    const { redis } = bench.database;
    for (const name of NAMES) await redis.set(name, 'v');
    const { id } = await bench.snapshot();
    await redis.del(...NAMES);
    await redis.set('soulcaster-backup:restore:newer', 'v');
    const run = await bench.restore(id);
    expect(run).toMatchObject({ state: 'succeeded', result: { plan: { total: { write: 3, remove: 1 } }, extras: 0 } });
    expect((await redis.keys('soulcaster-backup:*')).sort()).toEqual([...NAMES].sort());
    expect(await bench.restore(run.id)).toMatchObject({ state: 'succeeded', error: null });
    expect(await redis.keys('soulcaster-backup:*')).toEqual(['soulcaster-backup:restore:newer']);
  });
});
