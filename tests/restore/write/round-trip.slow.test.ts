import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc, { cases } from '../../support/fast-check.js';
import { loadMixed, loadWorkspace } from '../../../dev/data/index.js';
import type { Command } from '../../support/redis-calls.js';
import { anyBytes, anyScore, someBytes } from '../any-database.js';
import { NOTHING_WRONG, openWriteBench, twice, type WriteBench } from './write-bench.js';

const FAR = 4_102_444_800_000;

type Make = (key: Buffer) => Command[];

const stream: fc.Arbitrary<Make> = fc
  .record({
    start: fc.integer({ min: 1, max: 1_000_000 }),
    entries: fc.array(fc.array(fc.tuple(anyBytes, anyBytes), { minLength: 1, maxLength: 3 }), { maxLength: 5 }),
    groups: fc.uniqueArray(anyBytes, { maxLength: 3, selector: (name) => name.toString('latin1') }),
    read: fc.integer({ min: 0, max: 4 }),
    deletesLast: fc.boolean(),
  })
  .map(({ start, entries, groups, read, deletesLast }) => (key) => {
    const ids = entries.map((_, index) => `${start}-${index + 1}`);
    const claimed = deletesLast ? Math.min(read, ids.length - 1) : read;
    return [
      ['XGROUP', 'CREATE', key, 'first', '0', 'MKSTREAM'],
      ...entries.map((fields, index): Command => ['XADD', key, ids[index] ?? '', ...fields.flat()]),
      ...groups.flatMap((name): Command[] => [
        ['XGROUP', 'CREATE', key, Buffer.concat([name, Buffer.from('!')]), ids[0] ?? '0'],
      ]),
      ...(claimed > 0
        ? [['XREADGROUP', 'GROUP', 'first', 'reader', 'COUNT', String(claimed), 'STREAMS', key, '>'] as Command]
        : []),
      ['XGROUP', 'CREATECONSUMER', key, 'first', 'idle'],
      ...(deletesLast ? [['XDEL', key, ids.at(-1) ?? '1-1'] as Command] : []),
    ];
  });

const value: fc.Arbitrary<Make> = fc.oneof(
  anyBytes.map((v) => (key: Buffer): Command[] => [['SET', key, v]]),
  someBytes.map((v) => (key: Buffer): Command[] => [['RPUSH', key, ...v]]),
  someBytes.map((v) => (key: Buffer): Command[] => [['SADD', key, ...v]]),
  fc
    .array(fc.tuple(anyBytes, anyBytes), { minLength: 1, maxLength: 8 })
    .map((pairs) => (key: Buffer): Command[] => [['HSET', key, ...pairs.flat()]]),
  fc
    .array(fc.tuple(anyScore, anyBytes), { minLength: 1, maxLength: 8 })
    .map((pairs) => (key: Buffer): Command[] => [['ZADD', key, ...pairs.flat()]]),
  stream,
);
const expiry = fc.option(fc.integer({ min: 0, max: 1e12 }).map((ms) => String(FAR + ms)));
const database = fc
  .uniqueArray(fc.tuple(anyBytes, value, expiry), { maxLength: 30, selector: ([key]) => key.toString('latin1') })
  .map((keys) =>
    keys.flatMap(([key, commandsFor, at]): Command[] =>
      at === null ? commandsFor(key) : [...commandsFor(key), ['PEXPIREAT', key, at]],
    ),
  );

describe('what is written to an empty database', () => {
  let bench: WriteBench;
  beforeAll(async () => {
    bench = await openWriteBench();
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.target.database.redis.flushall());

  it.each(['replace', 'merge', 'missing'] as const)('is what any snapshot holds, in mode %s', async (mode) => {
    await fc.assert(
      fc.asyncProperty(database, async (commands) => {
        await bench.target.database.redis.flushall();
        const { manifest, records, compare } = await bench.snapshotOf(commands);
        const { keys } = manifest.counts;
        const counts = await bench.target.write(records(), { mode });
        expect(await compare()).toEqual({ keys, ...NOTHING_WRONG });
        expect(counts).toMatchObject({ written: keys, kept: 0, removed: 0, expired: 0 });
      }),
      { numRuns: cases(12) },
    );
  });

  it('is the same over keys of other types, and when every request is applied twice', async () => {
    await fc.assert(
      fc.asyncProperty(database, database, async (before, commands) => {
        const { redis } = bench.target.database;
        await redis.flushall();
        const { manifest, records, compare } = await bench.snapshotOf(commands);
        const old = await bench.snapshotOf(before);
        await bench.target.write(old.records());
        await bench.target.write(records(), { port: twice(bench.target.port) });
        expect(await compare()).toMatchObject({ keys: manifest.counts.keys, onlyInSnapshot: 0, different: 0 });
        expect(await bench.target.staged()).toEqual([]);
      }),
      { numRuns: cases(12) },
    );
  });

  it('costs at most 1.1 commands a key for a workspace', async () => {
    await bench.source.database.redis.flushall();
    const { keys } = await loadWorkspace({ redisUrl: bench.source.database.url, projects: 3, items: 300, seed: 7 });
    const { records, compare } = await bench.snapshot();
    const before = bench.target.port.usage().commands;
    expect(await bench.target.write(records())).toMatchObject({ written: keys });
    expect((bench.target.port.usage().commands - before) / keys).toBeLessThanOrEqual(1.1);
    expect(await compare()).toEqual({ keys, ...NOTHING_WRONG });
  });
});

describe('big values in many lines', () => {
  let bench: WriteBench;
  beforeAll(async () => {
    bench = await openWriteBench({ replyBytes: 40_000 });
    const { redis, url } = bench.source.database;
    await loadMixed({ redisUrl: url, keys: 600, seed: 3 });
    await redis.set('big:text', 'né€👋'.repeat(30_000));
    await redis.pexpireat('big:text', FAR);
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.target.database.redis.flushall());

  it.each(['replace', 'missing'] as const)('are whole, in mode %s', async (mode) => {
    const { manifest, records, compare } = await bench.snapshot();
    expect(manifest.parts.reduce((sum, { lines }) => sum + lines, 0)).toBeGreaterThan(manifest.counts.keys + 30);
    expect(await bench.target.write(records(), { mode })).toMatchObject({ written: manifest.counts.keys });
    expect(await compare()).toEqual({ keys: manifest.counts.keys, ...NOTHING_WRONG });
    expect(await bench.target.staged()).toEqual([]);
  });

  it('are whole when every request is applied twice', async () => {
    const { manifest, records, compare } = await bench.snapshot();
    await bench.target.write(records(), { port: twice(bench.target.port) });
    expect(await compare()).toEqual({ keys: manifest.counts.keys, ...NOTHING_WRONG });
    expect(await bench.target.staged()).toEqual([]);
  });
});
