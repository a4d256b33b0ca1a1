import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import fc, { cases } from '../support/fast-check.js';
import { loadMixed, loadWorkspace } from '../../dev/data/index.js';
import { describeEngines } from '../support/describe-engines.js';
import { batch, type Command } from '../support/redis-calls.js';
import { anyBytes, anyScore, someBytes } from '../restore/any-database.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';

const NOTHING_WRONG = { onlyInRedis: 0, onlyInSnapshot: 0, different: 0, examples: [] };
const FAR = 4_102_444_800_000;

const id = fc.integer({ min: 1, max: 1_000_000 });

const value: fc.Arbitrary<(key: Buffer) => Command[]> = fc.oneof(
  anyBytes.map((v) => (key: Buffer) => [['SET', key, v]] as Command[]),
  someBytes.map((v) => (key: Buffer) => [['RPUSH', key, ...v]] as Command[]),
  someBytes.map((v) => (key: Buffer) => [['SADD', key, ...v]] as Command[]),
  fc.array(fc.tuple(anyBytes, anyBytes), { minLength: 1, maxLength: 8 }).map((pairs) => (key: Buffer) => {
    return [['HSET', key, ...pairs.flat()]] as Command[];
  }),
  fc.array(fc.tuple(anyScore, anyBytes), { minLength: 1, maxLength: 8 }).map((pairs) => (key: Buffer) => {
    return [['ZADD', key, ...pairs.flat()]] as Command[];
  }),
  fc.tuple(id, fc.tuple(anyBytes, anyBytes), anyBytes).map(([at, fields, group]) => (key: Buffer) => {
    return [
      ['XADD', key, `${at}-1`, ...fields],
      ['XADD', key, `${at}-2`, ...fields],
      ['XGROUP', 'CREATE', key, group, '0'],
      ['XREADGROUP', 'GROUP', group, 'reader', 'COUNT', '1', 'STREAMS', key, '>'],
      ['XDEL', key, `${at}-2`],
    ] as Command[];
  }),
);
const expiry = fc.option(fc.integer({ min: 0, max: 1e12 }).map((ms) => String(FAR + ms)));
const database = fc.uniqueArray(fc.tuple(anyBytes, value, expiry), {
  maxLength: 40,
  selector: ([key]) => key.toString('latin1'),
});

await describeEngines('a snapshot of a database that nobody writes to', ({ fieldExpiry, program }) => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench({ program });
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.flushall());

  it('is whole for an empty database, and verifies', async () => {
    const { id, manifest } = await bench.takeWhole();
    expect(manifest).toMatchObject({ parts: [], doubles: [], counts: { keys: 0 }, dbsize: { before: 0, after: 0 } });
    expect((await bench.verify(id)).state).toBe('succeeded');
  });

  it('holds any keys and values, byte for byte', async () => {
    await fc.assert(
      fc.asyncProperty(database, async (keys) => {
        await bench.database.redis.flushall();
        const commands = keys.flatMap(([key, commandsFor, at]): Command[] => {
          return at === null ? commandsFor(key) : [...commandsFor(key), ['PEXPIREAT', key, at]];
        });
        await batch(bench.database.redis, commands);
        const { id: snapshot, manifest } = await bench.takeWhole({ settings: { partBytes: 300, inFlight: 2 } });
        expect(await bench.compare(snapshot)).toEqual({ keys: keys.length, ...NOTHING_WRONG });
        expect(manifest.counts.keys).toBe(keys.length);
        expect(manifest.ledger).toMatchObject({ saved: keys.length, expiredMeanwhile: 0, failed: { count: 0 } });
      }),
      { numRuns: cases(12) },
    );
  });

  it('holds a workspace, counted by type, family and project', async () => {
    const target = { redisUrl: bench.database.url };
    const loaded = await loadWorkspace({ ...target, projects: 3, items: 120, seed: 11 });
    const { id: snapshot, manifest } = await bench.takeWhole({ settings: { partBytes: 50_000 } });
    expect(await bench.compare(snapshot)).toEqual({ keys: loaded.keys, ...NOTHING_WRONG });
    expect(manifest.parts.length).toBeGreaterThan(3);
    expect(manifest.counts.byFamily).toEqual(loaded.byFamily);
    expect(Object.keys(manifest.counts.byProject).sort()).toEqual(Object.keys(loaded.byProject).sort());
    expect(manifest.dbsize).toEqual({ before: loaded.keys, after: loaded.keys });
    expect((await bench.verify(snapshot)).result).toMatchObject({ depth: 'lines', keys: loaded.keys, findings: [] });
  });

  it('holds keys of all types, sizes and oddities', async () => {
    const loaded = await loadMixed({ redisUrl: bench.database.url, keys: fieldExpiry ? 200 : 900, seed: 5 });
    const { id: snapshot, manifest } = await bench.takeWhole({ settings: { partBytes: 100_000 } });
    expect(await bench.compare(snapshot)).toEqual({ keys: loaded.keys, ...NOTHING_WRONG });
    expect(Object.keys(manifest.counts.byType).sort()).toEqual(['hash', 'list', 'set', 'stream', 'string', 'zset']);
    expect((await bench.verify(snapshot)).state).toBe('succeeded');
  });
});
