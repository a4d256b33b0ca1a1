import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { fill, inEveryOtherWalk, restarting } from '../snapshot/restarts.js';

const KEYS = 3_000;
const SAME = { keys: KEYS, onlyInRedis: 0, onlyInSnapshot: 0, different: 0, examples: [] };

describe('a restore into a database whose server restarts during its walks', () => {
  let bench: RestoreBench;
  let snapshot = '';
  beforeAll(async () => {
    bench = await openRestoreBench();
    await fill(bench, KEYS);
    snapshot = (await bench.snapshot()).id;
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    const batch = bench.database.redis.pipeline();
    for (let at = 0; at < KEYS; at++) batch.set(`extra:${at}`, 'v');
    await batch.exec();
  });

  it.each([true, false])('removes every key that is not in the snapshot (run_id reported: %s)', async (tells) => {
    const redis = restarting(bench, { when: inEveryOtherWalk(3), tells });
    const run = await bench.restore(snapshot, {}, { redis });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(run.result).toMatchObject({ removed: KEYS, extras: 0, plan: { total: { remove: KEYS, same: KEYS } } });
    expect(await bench.compare(snapshot)).toEqual(SAME);
    // The way back has everything as well, though its snapshot was taken under restarts.
    expect(await bench.restore(run.id)).toMatchObject({ state: 'succeeded' });
    expect(await bench.database.redis.dbsize()).toBe(2 * KEYS);
  });

  it('counts each key once in the plan of a dry run', async () => {
    const redis = restarting(bench, { when: inEveryOtherWalk(3) });
    const run = await bench.restore(snapshot, { dryRun: true }, { redis });
    expect(run).toMatchObject({ state: 'succeeded', result: { plan: { total: { remove: KEYS, same: KEYS } } } });
  });
});
