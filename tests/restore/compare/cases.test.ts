import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../../lib/errors.js';
import type { RecordLine } from '../../../lib/snapshot/record.js';
import { intercept, once } from '../../snapshot/intercept.js';
import { openSnapshotBench, type SnapshotBench } from '../../support/snapshot-bench.js';
import { compared, forward, snapshotRecords, unequal } from './bench.js';

describe('comparing', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench();
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.flushall());

  const differenceOf = async (line: RecordLine, redis = bench.port): Promise<string> => {
    const [told] = await compared(redis, [[line]]);
    return told?.difference ?? told?.live ?? '';
  };

  it('tells absent keys and keys of another type apart in one batch', async () => {
    const { redis } = bench.database;
    const types = ['string', 'hash', 'list', 'set', 'zset'] as const;
    const value = { string: 'v', hash: [['f', 'v']], list: ['v'], set: ['v'], zset: [['v', '1']] } as const;
    await redis.mset('is hash', 'v', 'is list', 'v', 'is set', 'v', 'is zset', 'v', 'is stream', 'v');
    await redis.rpush('is string', 'v');
    const records = [...types, 'stream' as const].flatMap((t): RecordLine[] => {
      const v = t === 'stream' ? { entries: [], lastId: '0-0', groups: [] } : value[t];
      return ['no', 'is'].map((word) => ({ k: `${word} ${t}`, t, v }));
    });
    const told = await compared(
      bench.port,
      records.map((record) => [record]),
    );
    expect(told).toEqual(
      [...types, 'stream'].flatMap((t) => [
        { key: `"no ${t}"`, live: 'absent', difference: null },
        { key: `"is ${t}"`, live: 'different', difference: 'type' },
      ]),
    );
  });

  it('reads a key again that was of another type for a moment', async () => {
    const { redis } = bench.database;
    await redis.rpush('key', 'v');
    const back = once('TYPE', 'key', () => redis.multi().del('key').sadd('key', 'v').exec());
    expect(await differenceOf({ k: 'key', t: 'set', v: ['v'] }, intercept(bench.port, back))).toBe('equal');
  });

  it.each([
    ['1e3', '1000', 'equal'],
    ['inf', 'inf', 'equal'],
    ['-inf', '-inf', 'equal'],
    ['-0', '0', 'equal'],
    ['0', '-0', 'equal'],
    ['0.1', '0.10000000000000001', 'equal'],
    ['0.1', '0.10000000000000002', 'value'],
    ['inf', '-inf', 'value'],
    ['1.7976931348623157e308', 'inf', 'value'],
  ])('compares the scores %s and %s as numbers: %s', async (recorded, live, expected) => {
    await bench.database.redis.zadd('zset', live, 'm', '1', 'n');
    const v = [
      ['m', recorded],
      ['n', '1.0'],
    ] as const;
    expect(await differenceOf({ k: 'zset', t: 'zset', v })).toBe(expected);
  });

  it('does not confuse two elements with their concatenation', async () => {
    const { redis } = bench.database;
    await redis.rpush('list', 'a', 'bc');
    await redis.hset('hash', 'a', 'bc');
    await redis.xadd('stream', '1-1', 'a', 'bc');
    expect(await differenceOf({ k: 'list', t: 'list', v: ['ab', 'c'] })).toBe('value');
    expect(await differenceOf({ k: 'hash', t: 'hash', v: [['ab', 'c']] })).toBe('value');
    const entries = [['1-1', ['ab', 'c']]] as const;
    expect(await differenceOf({ k: 'stream', t: 'stream', v: { entries, lastId: '1-1', groups: [] } })).toBe('value');
  });

  it('compares bytes that are not text', async () => {
    await bench.database.redis.set('key', Buffer.from([0xff, 0x00]));
    expect(await differenceOf({ k: 'key', t: 'string', v: { b: '/wA=' } })).toBe('equal');
    expect(await differenceOf({ k: 'key', t: 'string', v: '\ufffd\u0000' })).toBe('value');
  });

  it('leaves out pending entries that are not in the stream, and counters that cannot be set', async () => {
    const { redis } = bench.database;
    for (const id of ['1-1', '2-1', '2-2', '10-1']) await redis.xadd('stream', id, 'f', 'v');
    await redis.xgroup('CREATE', 'stream', 'g', '0');
    await redis.xreadgroup('GROUP', 'g', 'c', 'COUNT', 10, 'STREAMS', 'stream', '>');
    await redis.xdel('stream', '2-1');
    const records = await snapshotRecords(bench);
    await redis.xack('stream', 'g', '2-1');
    await redis.call('XSETID', 'stream', '10-1', 'ENTRIESADDED', '900', 'MAXDELETEDID', '9-9');
    await redis.call('XGROUP', 'SETID', 'stream', 'g', '10-1', 'ENTRIESREAD', '77');
    expect(unequal(await compared(bench.port, records))).toEqual({});
    await redis.xack('stream', 'g', '2-2');
    expect(unequal(await compared(bench.port, records))).toEqual({ '"stream"': 'value' });
  });

  it('fails when the database denies reading a value, without naming it', async () => {
    await bench.database.redis.hset('secret key', 'f', 'v');
    const redis = intercept(bench.port, {
      after: (commands, replies) =>
        replies.map((reply, at) => (commands[at]?.[0] === 'HGETALL' ? { error: "NOPERM on 'secret key'" } : reply)),
    });
    const failed = await differenceOf({ k: 'secret key', t: 'hash', v: [['f', 'v']] }, redis).catch(
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(AppError);
    expect(failed).toMatchObject({ code: 'redis-command', message: expect.stringContaining('NOPERM') });
    expect((failed as AppError).message).not.toContain('secret key');
  });

  it('stops at the next batch when it is aborted', async () => {
    const stop = new AbortController();
    const reason = new AppError('fenced', 'another attempt has taken over', { hint: 'None.' });
    const records = Array.from({ length: 5000 }, (_, at) => [{ k: `k${at}`, t: 'string', v: 'v' } as const]);
    let asked = 0;
    const source = (async function* () {
      for await (const record of forward(records)) {
        if (++asked === 1200) stop.abort(reason);
        yield record;
      }
    })();
    await expect(compared(bench.port, source, { signal: stop.signal })).rejects.toBe(reason);
    expect(asked).toBeLessThan(records.length);
  });

  it('rethrows errors of the source of the records', async () => {
    const source = (async function* () {
      yield* forward([[{ k: 'a', t: 'string', v: 'v' }]]);
      throw new AppError('damaged', 'a part is damaged', { hint: 'None.' });
    })();
    await expect(compared(bench.port, source)).rejects.toMatchObject({ code: 'damaged' });
  });
});
