import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import fc, { cases } from '../support/fast-check.js';
import { loadMixed, loadWorkspace } from '../../dev/data/index.js';
import { anyDatabaseOf } from '../restore/any-database.js';
import { describeEngines } from '../support/describe-engines.js';
import { changes } from '../support/dumps.js';
import { batch, type Command } from '../support/redis-calls.js';
import { dumpDatabase, openPlain } from '../support/plain-dump.js';
import { NOW } from '../support/restore-bench.js';
import { openTransferBench, type TransferBench } from './transfer-bench.js';

await describeEngines('an RDB file of a server', ({ fieldExpiry, program }) => {
  let bench: TransferBench;
  beforeAll(async () => {
    bench = await openTransferBench(program);
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.flushall());

  /** Everything as a reader without any code of the product sees it: streams with groups, fields with their times. */
  async function plain() {
    const redis = openPlain(bench.database.url);
    try {
      return Object.fromEntries(await dumpDatabase(redis));
    } finally {
      redis.disconnect();
    }
  }

  it('restores to any database as it was', async () => {
    await fc.assert(
      fc.asyncProperty(anyDatabaseOf({ fieldExpiry }), async ({ keys, commands }) => {
        const { redis } = bench.database;
        await redis.flushall();
        await batch(redis, commands);
        const [before, whole] = [await bench.dump(), await plain()];
        const path = await bench.saved();
        await redis.flushall();
        const run = await bench.restoreFile(path);
        expect(run).toMatchObject({ state: 'succeeded', error: null, result: { proof: { total: { equal: keys } } } });
        expect(changes(before, await bench.dump())).toEqual([]);
        expect(await plain()).toEqual(whole);
      }),
      { numRuns: cases(8) },
    );
  });

  it('restores values of every size and encoding', async () => {
    const { redis, url } = bench.database;
    await loadMixed({ redisUrl: url, keys: 120, seed: 4 });
    await loadWorkspace({ redisUrl: url, projects: 1, items: 20, seed: 5, now: NOW, locked: false });
    await redis.set('packed', 'abcabc'.repeat(50_000));
    await redis.set('noise', Buffer.from(Array.from({ length: 400_000 }, (_, at) => (at * at * 31 + (at >> 7)) % 251)));
    await redis.mset('int:8', '-7', 'int:16', '31000', 'int:32', '-2000000000', 'int:64', '9007199254740993');
    await redis.sadd('ints', '1', '-2', '70000', '9223372036854775807');
    await redis.rpush('list:plain', 'x'.repeat(20_000), 'y', '-5', '123456789012');
    const many = Array.from({ length: 1500 }, (_, at) => `member ${at}`);
    await redis.sadd('set:many', ...many);
    await redis.rpush('list:many', ...many);
    await redis.hset('hash:many', Object.fromEntries(many.map((name, at) => [name, String(at)])));
    await redis.call('ZADD', 'zset:many', ...many.flatMap((name, at) => [String(at / 3), name]));
    await redis.call(
      'ZADD',
      'zset:odd',
      '-inf',
      'a',
      'inf',
      'b',
      '1e300',
      'c',
      '-0',
      'd',
      '0.1',
      'e',
      '9007199254740992',
      'f',
    );
    const entries = Array.from({ length: 300 }, (_, at): Command => {
      const odd = at % 7 === 0 ? ['odd', 'x'] : [];
      return ['XADD', 'stream:many', `${at + 1}-${at % 3}`, 'same', String(at), ...odd];
    });
    await batch(redis, entries);
    await redis.xdel('stream:many', '5-1', '300-2');
    const whole = await plain();
    const path = await bench.saved();
    await redis.flushall();
    const run = await bench.restoreFile(path);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(await plain()).toEqual(whole);
  });
});
