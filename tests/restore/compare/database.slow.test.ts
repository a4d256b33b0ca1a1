import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc, { cases } from '../../support/fast-check.js';
import { loadMixed } from '../../../dev/data/index.js';
import { fromText } from '../../../lib/soulcaster/text.js';
import { intercept } from '../../snapshot/intercept.js';
import { openSnapshotBench, type SnapshotBench } from '../../support/snapshot-bench.js';
import { compared, forward, snapshotRecords, unequal, type Lines } from './bench.js';
import { apply, mutationsOf } from './mutations.js';

const seeds = fc.integer({ min: 1, max: 1_000_000 });

describe('a database compared with its snapshot', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench({ replyBytes: 60_000 });
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.flushall());

  async function load(keys: number, seed: number): Promise<Lines[]> {
    await bench.database.redis.flushall();
    await loadMixed({ redisUrl: bench.database.url, keys, seed });
    return snapshotRecords(bench);
  }

  it('is equal in every key, one comparison for each, in order', async () => {
    const inFlight = fc.integer({ min: 1, max: 4 });
    await fc.assert(
      fc.asyncProperty(seeds, fc.integer({ min: 1, max: 300 }), inFlight, async (seed, keys, width) => {
        const records = await load(keys, seed);
        const told = await compared(bench.port, records, { inFlight: width, fieldExpiry: false });
        expect(told).toEqual(
          records.map(([first]) => ({ key: JSON.stringify(first?.k), live: 'equal', difference: null })),
        );
      }),
      { numRuns: cases(8) },
    );
  });

  it('differs exactly where it was changed since, with the right difference', async () => {
    const choices = fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(seeds, choices, async (seed, chosen) => {
        const records = await load(40, seed);
        const expected: Record<string, string> = {};
        for (const [which, how] of chosen) {
          const first = records[which % records.length]?.[0];
          if (first === undefined || JSON.stringify(first.k) in expected) continue;
          const mutations = mutationsOf(first);
          const mutation = mutations[how % mutations.length];
          if (mutation === undefined) continue;
          await apply(bench.database.redis, mutation);
          expected[JSON.stringify(first.k)] = mutation.told;
        }
        expect(unequal(await compared(bench.port, records))).toEqual(expected);
      }),
      { numRuns: cases(15) },
    );
  });

  it('differs after every kind of change', async () => {
    const { redis } = bench.database;
    const records = (await load(24, 7)).filter(([first]) => first?.i === undefined);
    const expected: string[] = [];
    const found: string[] = [];
    for (const lines of records) {
      const [first] = lines;
      if (first === undefined) continue;
      const key = fromText(first.k);
      const dump = await redis.dumpBuffer(key);
      for (const mutation of mutationsOf(first)) {
        await apply(redis, mutation);
        const [told] = await compared(bench.port, [lines]);
        const change = `${first.t}: ${mutation.commands.map(([name]) => name).join(' ')} is told as`;
        expected.push(`${change} ${mutation.told}`);
        found.push(`${change} ${told?.difference ?? told?.live ?? ''}`);
        await redis.restore(key, first.x ?? 0, dump, 'REPLACE', 'ABSTTL');
      }
    }
    expect(found).toEqual(expected);
    expect(new Set(expected.map((text) => text.split(':')[0])).size).toBe(6);
    expect(unequal(await compared(bench.port, records))).toEqual({});
  });

  it('is all absent when the database is empty', async () => {
    const records = await load(60, 3);
    await bench.database.redis.flushall();
    const told = await compared(bench.port, records);
    expect(told.map(({ live, difference }) => `${live} ${difference ?? ''}`)).toEqual(records.map(() => 'absent '));
  });

  it('has a value, or none, under the expired keys', async () => {
    const records = await load(60, 4);
    const keys = records.map(([first]) => JSON.stringify(first?.k));
    const gone = records.flatMap(([first], at) => (at % 3 === 0 && first !== undefined ? [fromText(first.k)] : []));
    await bench.database.redis.del(...gone);
    const asked: string[] = [];
    const redis = intercept(bench.port, {
      before: (commands) => {
        asked.push(...commands.map(([name]) => name));
        return null;
      },
    });
    const told = await compared(
      redis,
      forward(records, () => true),
    );
    // A key with the record's own expiry is over as the record is: the server is about to remove it.
    const isOver = records.map(([first], at) => at % 3 === 0 || first?.x !== undefined);
    expect(told.map(({ live }) => live)).toEqual(isOver.map((over) => (over ? 'absent' : 'different')));
    expect(told.map(({ difference }) => difference)).toEqual(keys.map(() => null));
    expect(asked).toEqual(keys.flatMap(() => ['TYPE', 'PEXPIRETIME']));
  });
});
