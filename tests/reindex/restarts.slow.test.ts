import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { inEveryOtherWalk, restarting } from '../snapshot/restarts.js';
import { openReindexBench, type ReindexBench } from './bench.js';
import { putProject, someItems } from './data.js';
import { storedIn } from './outcome.js';

describe('a re-index of a database whose server restarts during the walk', () => {
  let bench: ReindexBench;
  beforeAll(async () => {
    bench = await openReindexBench();
  });
  afterAll(() => bench.stop());

  it.each([true, false])('finds every item (run_id reported: %s)', async (tells) => {
    const items = someItems(300);
    await putProject(bench.database.redis, 'p1', items);
    const batch = bench.database.redis.pipeline();
    for (let at = 0; at < 4_000; at++) batch.set(`other:${at}`, 'v');
    await batch.exec();
    const port = { database: bench.database, port: bench.ports.redis };
    const redis = restarting(port, { when: inEveryOtherWalk(2), tells });
    const run = await bench.run({ scope: { project: 'p1' } }, { redis });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect((await storedIn(bench.ports.vectors, 'p1')).size).toBe(300);
  });
});
