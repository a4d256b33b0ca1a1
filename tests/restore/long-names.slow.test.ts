import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeEngines } from '../support/describe-engines.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

await describeEngines('names that are larger than a reply together', ({ fieldExpiry, program }) => {
  let bench: RestoreBench;
  beforeAll(async () => {
    bench = await openRestoreBench({ program });
    const { redis } = bench.database;
    const pipeline = redis.pipeline();
    for (let at = 0; at < 1200; at++) pipeline.set(`${at}:`.padEnd(9000, 'n'), 'v');
    const fields = Array.from({ length: 600 }, (_, at): [string, string] => [`${at}:`.padEnd(10_000, 'f'), 'v']);
    pipeline.hset('hash', new Map(fields));
    await pipeline.exec();
    if (fieldExpiry) await redis.call('HPEXPIREAT', 'hash', '4102444800000', 'FIELDS', '1', fields[5]?.[0] ?? '');
  });
  afterAll(() => bench.stop());

  it('are saved, walked, removed and restored', async () => {
    const manifest = await bench.snapshot();
    expect(manifest).toMatchObject({ state: 'complete', counts: { keys: 1201 } });
    await bench.database.redis.flushall();
    const other = bench.database.redis.pipeline();
    for (let at = 0; at < 1200; at++) other.set(`other ${at}:`.padEnd(9000, 'n'), 'v');
    await other.exec();
    const run = await bench.restore(manifest.id, { safety: false });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(run.result).toMatchObject({ removed: 1200, proof: { total: { equal: 1201, missing: 0, different: 0 } } });
    expect(await bench.compare(manifest.id)).toMatchObject({ onlyInRedis: 0, onlyInSnapshot: 0 });
  });
});
