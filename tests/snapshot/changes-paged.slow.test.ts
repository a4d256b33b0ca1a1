import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { StreamValue } from '../../lib/snapshot/record.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { intercept, isAbout, once, ticking } from './intercept.js';
import { recordsByKey, storedLines } from './lines.js';

const SETTINGS = { partBytes: 20_000, inFlight: 1 };
const FAR = 4_102_444_800_000;
const READS = { hash: 'HSCAN', set: 'SSCAN', zset: 'ZSCAN', list: 'LRANGE', string: 'GETRANGE', stream: 'XRANGE' };
type Type = keyof typeof READS;
const TYPES = Object.keys(READS) as Type[];

describe('a key that changes while it is read page by page', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench({ replyBytes: 40_000 });
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    const { redis } = bench.database;
    await redis.flushall();
    await redis.mset('a', '1', 'b', '2', 'c', '3');
    const texts = Array.from({ length: 900 }, (_, at) => `${at} ${'text '.repeat(14)}`);
    await redis.hset('hash', ...texts.flatMap((text) => [text, '1']));
    await redis.sadd('set', ...texts);
    await redis.zadd('zset', ...texts.flatMap((text, at) => [at, text]));
    await redis.rpush('list', ...texts);
    await redis.set('string', texts.join(''));
    const entries = redis.pipeline();
    for (const [at, text] of texts.entries()) entries.xadd('stream', `${at + 1}-0`, 'f', text);
    await entries.exec();
  });

  /** Does something before the page after the first of this key. */
  async function takeAround(key: Type, act: () => Promise<unknown>) {
    const redis = intercept(bench.port, once(READS[key], key, act, 4));
    const { id, manifest, run } = await bench.take({ redis, settings: SETTINGS });
    if (manifest === null) throw new Error(run.error?.message);
    const lines = (await storedLines(bench, manifest)).filter(({ k }) => k === key);
    expect((await bench.verify(id)).result).toMatchObject({ findings: [] });
    return { id, manifest, lines, records: await recordsByKey(bench, manifest) };
  }

  const grow: Record<Type, () => Promise<unknown>> = {
    hash: () => bench.database.redis.hset('hash', 'new', 'v'),
    set: () => bench.database.redis.sadd('set', 'new'),
    zset: () => bench.database.redis.zadd('zset', -1, 'new'),
    list: () => bench.database.redis.lpush('list', 'new'),
    string: () => bench.database.redis.append('string', 'new'),
    stream: () => bench.database.redis.xadd('stream', '*', 'f', 'new'),
  };

  it.each(TYPES)('is read again when it grew: %s', async (type) => {
    await bench.database.redis.pexpireat(type, FAR);
    const { id, manifest, lines } = await takeAround(type, grow[type]);
    expect(lines.filter((line) => line.void === true)).toHaveLength(1);
    expect(new Set(lines.map(({ x }) => x))).toEqual(new Set([FAR]));
    expect(manifest.doubles).toHaveLength(1);
    expect(manifest.ledger.changedMeanwhile.keys.map(({ key }) => key)).toEqual([type]);
    expect(manifest.counts.keys).toBe(9);
    // The comparer holds every record to the form, so it does not take a stream's void line, which has no tail.
    if (type !== 'stream') expect(await bench.compare(id)).toMatchObject({ keys: 9, onlyInRedis: 0, different: 0 });
  });

  it('is read again when it was overwritten with a value of the same length: string', async () => {
    const { redis } = bench.database;
    const other = 'x'.repeat(await redis.strlen('string'));
    const { lines, manifest } = await takeAround('string', () => redis.set('string', other));
    const last = lines.slice(lines.findIndex((line) => line.void === true) + 1);
    expect(last.map(({ v }) => v as string).join('')).toBe(other);
    expect(manifest.ledger.changedMeanwhile.keys.map(({ key }) => key)).toEqual(['string']);
  });

  it.each(TYPES)('is voided when it is deleted half-way: %s', async (type) => {
    const { id, manifest, lines, records } = await takeAround(type, () => bench.database.redis.del(type));
    expect(lines.at(-1)).toMatchObject({ void: true, last: true });
    expect(records.has(JSON.stringify(type))).toBe(false);
    expect(manifest.ledger).toMatchObject({ expiredMeanwhile: 1, saved: 8 });
    if (type !== 'stream') expect(await bench.compare(id)).toMatchObject({ keys: 8, onlyInSnapshot: 0, different: 0 });
  });

  it.each(TYPES)('is read by its new type: %s', async (type) => {
    const { redis } = bench.database;
    const { id, manifest, records } = await takeAround(type, async () => {
      await redis.del(type);
      await (type === 'list' ? redis.xadd(type, '1-1', 'f', 'v') : redis.rpush(type, 'now a list'));
    });
    expect(records.get(JSON.stringify(type))).toHaveLength(1);
    expect(manifest.counts.keys).toBe(9);
    expect(manifest.ledger.changedMeanwhile.keys).toContainEqual({ key: type, reason: 'changed its type' });
    if (type !== 'stream') expect(await bench.compare(id)).toMatchObject({ keys: 9, different: 0 });
  });

  it('is saved although it changes after three restarts, as one record', async () => {
    let at = 0;
    const redis = intercept(bench.port, {
      before: async (commands) => {
        if (commands.some((command) => isAbout(command, 'HSCAN', 'hash'))) {
          await bench.database.redis
            .multi()
            .hset('hash', `new ${at++}`, 'v')
            .pexpireat('hash', FAR + at)
            .exec();
        }
        return null;
      },
    });
    const { id, manifest } = await bench.takeWhole({ redis, settings: SETTINGS });
    const lines = (await recordsByKey(bench, manifest)).get('"hash"') ?? [];
    expect(lines.length).toBeGreaterThan(3);
    expect(new Set(lines.map(({ x }) => x)).size).toBe(1);
    expect(new Set(lines.flatMap(({ v }) => (v as [string, string][]).map(([f]) => f))).size).toBeGreaterThan(899);
    expect(manifest.doubles).toHaveLength(3);
    expect(manifest.ledger.changedMeanwhile).toMatchObject({ count: 1, keys: [{ key: 'hash' }] });
    expect((await bench.verify(id)).state).toBe('succeeded');
    expect(await bench.compare(id)).toMatchObject({ keys: 9, onlyInRedis: 0, onlyInSnapshot: 0, different: 1 });
  });

  it('is read again by a later attempt', async () => {
    const redis = ticking(bench, intercept(bench.port, once('SSCAN', 'set', grow.set, 3)));
    const { id, attempts, manifest } = await bench.takeWhole({
      redis,
      settings: { ...SETTINGS, partBytes: 1e6 },
      attemptMs: 2,
    });
    expect(attempts).toBeGreaterThan(5);
    expect(manifest.doubles).toHaveLength(1);
    expect(await bench.compare(id)).toMatchObject({ keys: 9, onlyInRedis: 0, onlyInSnapshot: 0, different: 0 });
  });

  it('a stream that gets an entry after its last page is read again', async () => {
    const redis = intercept(
      bench.port,
      once('XINFO', 'stream', () => bench.database.redis.xadd('stream', '*', 'f', 'v')),
    );
    const { manifest } = await bench.takeWhole({ redis, settings: SETTINGS });
    const lines = await storedLines(bench, manifest);
    const records = await recordsByKey(bench, manifest);
    expect(lines.filter((line) => line.void === true)).toHaveLength(1);
    const value = (records.get('"stream"') ?? []).map(({ v }) => v as StreamValue);
    expect(value.flatMap(({ entries }) => entries)).toHaveLength(901);
    expect(value.at(-1)?.lastId).toBe(value.at(-1)?.entries.at(-1)?.[0]);
  });
});
