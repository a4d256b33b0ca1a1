import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RecordLine, RecordValue } from '../../../lib/snapshot/record.js';
import { intercept, isAbout, once } from '../../snapshot/intercept.js';
import { openSnapshotBench, type SnapshotBench } from '../../support/snapshot-bench.js';
import { compared, forward, snapshotRecords, unequal, type Lines } from './bench.js';

type Pair = readonly [string, string];
const FIELDS = 100_000;
const FAR = 4_102_444_800_000;

/** A record of many lines. */
function inLines(k: string, t: RecordLine['t'], items: readonly unknown[], perLine: number): Lines {
  const lines: RecordLine[] = [];
  for (let at = 0; at < items.length; at += perLine) {
    const isLast = at + perLine >= items.length;
    lines.push({
      k,
      t,
      i: lines.length,
      ...(isLast ? { last: true as const } : {}),
      v: items.slice(at, at + perLine) as RecordValue,
    });
  }
  return lines;
}

describe('a big value', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench({ replyBytes: 200_000 });
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.flushall());

  async function writeHash(pairs: readonly Pair[]): Promise<void> {
    for (let at = 0; at < pairs.length; at += 5000) {
      await bench.database.redis.hset('hash', ...pairs.slice(at, at + 5000).flat());
    }
  }

  it('of 100,000 fields is equal in any order, and different when a single one differs', async () => {
    const pairs = Array.from({ length: FIELDS }, (_, at): Pair => [`field ${at}`, `value ${at}`]);
    await writeHash(pairs);
    const scattered = pairs.map((_, at) => pairs[(at * 7919) % FIELDS] as Pair);
    const records = [
      inLines('hash', 'hash', pairs, 1000),
      inLines('hash', 'hash', scattered, 777),
      inLines('hash', 'hash', [...scattered.slice(1), ...scattered.slice(0, 3)], 1000),
      inLines('hash', 'hash', scattered.slice(1), 1000),
      inLines('hash', 'hash', [...scattered, ['field 8', 'value 9']], 1000),
      inLines('hash', 'hash', [['field 8', 'value 9'], ...scattered], 1000),
    ];
    const told = await compared(bench.port, records);
    expect(told.map(({ difference }) => difference)).toEqual([null, null, null, 'value', 'value', null]);
    await bench.database.redis.hset('hash', 'field 4711', 'value 4712');
    expect((await compared(bench.port, records.slice(0, 2))).map(({ difference }) => difference)).toEqual([
      'value',
      'value',
    ]);
  });

  async function writeOfEachType(): Promise<void> {
    const { redis } = bench.database;
    const texts = Array.from({ length: 3000 }, (_, at) => `${at} ${'text '.repeat(20)}`);
    await redis.hset('hash', ...texts.flatMap((text) => [text, text]));
    await redis.sadd('set', ...texts);
    await redis.zadd('zset', ...texts.flatMap((text, at) => [at / 3, text]));
    await redis.rpush('list', ...texts);
    await redis.set('string', texts.join('é').repeat(3));
    const entries = redis.pipeline();
    for (const [at, text] of texts.entries()) entries.xadd('stream', `${at + 1}-0`, 'f', text);
    await entries.exec();
    await redis.xgroup('CREATE', 'stream', 'group', '0');
    await redis.xreadgroup('GROUP', 'group', 'c', 'COUNT', 1500, 'STREAMS', 'stream', '>');
    for (const key of ['hash', 'zset', 'stream']) await redis.pexpireat(key, FAR);
    await redis.mset('small 1', '1', 'small 2', '2', 'small 3', '3');
  }

  it('of each type is found equal among small ones, and different when changed', async () => {
    await writeOfEachType();
    const { redis } = bench.database;
    const records = await snapshotRecords(bench);
    expect(records.filter((lines) => lines.length > 1)).toHaveLength(6);
    expect(unequal(await compared(bench.port, records))).toEqual({});
    await redis.hset('hash', 'one', 'more');
    await redis.srem('set', `2999 ${'text '.repeat(20)}`);
    await redis.zincrby('zset', 1, `1500 ${'text '.repeat(20)}`);
    await redis.lset('list', 1500, 'x');
    await redis.setrange('string', 400_000, '\u0001');
    await redis.xack('stream', 'group', '777-0');
    await redis.set('small 2', 'two');
    const values = ['hash', 'list', 'set', 'small 2', 'stream', 'string', 'zset'].map((key) => [`"${key}"`, 'value']);
    expect(unequal(await compared(bench.port, records))).toEqual(Object.fromEntries(values));
    for (const key of ['hash', 'zset', 'list']) await redis.pexpireat(key, FAR + 1);
    await redis.del('set', 'string');
    await redis.sadd('string', 'now a set');
    expect(unequal(await compared(bench.port, records))).toMatchObject({
      '"hash"': 'expiry',
      '"zset"': 'expiry',
      '"list"': 'expiry',
      '"set"': 'absent',
      '"string"': 'type',
    });
  });

  it('that was small in the snapshot is different, and the other way round', async () => {
    const { redis } = bench.database;
    const texts = Array.from({ length: 3000 }, (_, at) => `${at} ${'text '.repeat(20)}`);
    await redis.sadd('grows', 'a');
    await redis.sadd('shrinks', ...texts);
    const records = await snapshotRecords(bench);
    await redis.sadd('grows', ...texts);
    await redis.srem('shrinks', ...texts.slice(1));
    expect(unequal(await compared(bench.port, records))).toEqual({ '"grows"': 'value', '"shrinks"': 'value' });
  });

  it('that has expired is read to its end, and only its existence counts', async () => {
    await writeOfEachType();
    const records = await snapshotRecords(bench);
    await bench.database.redis.del('list');
    const expired = forward(records, ({ i }) => i === 0);
    const told = await compared(bench.port, expired);
    // A key with the record's own expiry is over as the record is: the server is about to remove it.
    const own = new Set(records.filter(([first]) => first?.x !== undefined).map(([first]) => JSON.stringify(first?.k)));
    const big = ['hash', 'set', 'stream', 'string', 'zset'].map((key) => {
      const name = `"${key}"`;
      return [name, own.has(name) ? 'absent' : 'different'];
    });
    expect(unequal(told)).toEqual(Object.fromEntries([...big, ['"list"', 'absent']]));
  });

  it('that changed once while it was read is read again', async () => {
    await writeOfEachType();
    const records = await snapshotRecords(bench);
    const { redis } = bench.database;
    await redis.hset('hash', 'too', 'much');
    const port = intercept(
      bench.port,
      once('HSCAN', 'hash', () => redis.hdel('hash', 'too'), 2),
    );
    expect(unequal(await compared(port, records))).toEqual({});
  });

  it('that keeps changing is reported as it was read', async () => {
    await writeOfEachType();
    const records = await snapshotRecords(bench);
    let at = 0;
    const port = intercept(bench.port, {
      before: async (commands) => {
        if (!commands.some((command) => isAbout(command, 'HSCAN', 'hash'))) return null;
        await bench.database.redis.hset('hash', `new ${at++}`, 'v');
        return null;
      },
    });
    expect(unequal(await compared(port, records))).toEqual({ '"hash"': 'value' });
  });

  it('that is removed half-way is absent, and one that changes type half-way is reported so', async () => {
    await writeOfEachType();
    const records = await snapshotRecords(bench);
    const { redis } = bench.database;
    const turned = once('LRANGE', 'list', () => redis.multi().del('list').sadd('list', 'x').exec(), 3);
    const gone = once('SSCAN', 'set', () => redis.del('set'), 2);
    const told = await compared(intercept(intercept(bench.port, gone), turned), records);
    expect(unequal(told)).toEqual({ '"set"': 'absent', '"list"': 'type' });
  });

  it('whose fields have all expired is equal to an absent key', async () => {
    const empty: Lines = [
      { k: 'hash', t: 'hash', i: 0, v: [] },
      { k: 'hash', t: 'hash', i: 1, last: true, v: [] },
    ];
    expect((await compared(bench.port, [empty]))[0]?.live).toBe('equal');
    await bench.database.redis.hset('hash', 'f', 'v');
    expect(unequal(await compared(bench.port, [empty]))).toEqual({ '"hash"': 'value' });
  });
});
