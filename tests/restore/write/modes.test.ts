import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RecordLine } from '../../../lib/snapshot/record.js';
import { around, expired, openTarget, recordsOf, type Target } from './write-bench.js';

const FAR = 4_102_444_800_000;

const ALL_TYPES: readonly (RecordLine | readonly RecordLine[])[] = [
  { k: 'string', t: 'string', v: 'new' },
  { k: 'timed', t: 'string', v: 'new', x: FAR },
  { k: 'hash', t: 'hash', v: [['new', '1']] },
  { k: 'list', t: 'list', v: ['new'], x: FAR },
  { k: { b: '/w==' }, t: 'set', v: ['new'] },
  { k: 'zset', t: 'zset', v: [['new', '1']] },
  { k: 'stream', t: 'stream', v: { entries: [['1-1', ['f', 'new']]], lastId: '1-1', groups: [] } },
  [
    { k: 'big', t: 'list', v: ['a'], i: 0, x: FAR },
    { k: 'big', t: 'list', v: ['b', 'c'], i: 1, last: true, x: FAR },
  ],
];

describe('the modes', () => {
  let target: Target;
  beforeAll(async () => {
    target = await openTarget();
  });
  afterAll(() => target.stop());
  beforeEach(() => target.database.redis.flushall());

  const keys = async (): Promise<string[]> => (await target.database.redis.keys('*')).sort();

  it.each(['replace', 'merge'] as const)('%s writes over what is there, of whatever type and expiry', async (mode) => {
    const { redis } = target.database;
    for (const key of ['string', 'hash', 'big', 'stream']) await redis.set(key, 'old', 'PX', 3_600_000);
    await redis.rpush('timed', 'old');
    await redis.hset('zset', 'old', '1');
    await redis.sadd(Buffer.from([0xff]), 'old');
    const counts = await target.write(recordsOf(...ALL_TYPES), { mode });
    expect(counts).toMatchObject({ written: 8, kept: 0, removed: 0, expired: 0 });
    expect(await redis.get('string')).toBe('new');
    expect(await redis.smembers(Buffer.from([0xff]))).toEqual(['new']);
    expect(await redis.lrange('big', 0, -1)).toEqual(['a', 'b', 'c']);
    const expiries = ['string', 'timed', 'hash', 'list', 'zset', 'stream', 'big'].map((key) => redis.pexpiretime(key));
    expect(await Promise.all(expiries)).toEqual([-1, FAR, -1, FAR, -1, -1, FAR]);
  });

  it.each(['replace', 'merge', 'missing'] as const)('%s counts what has expired', async (mode) => {
    await target.database.redis.mset('there', '1', 'other', '1');
    const gone = ['there', 'not there'].map((k) => expired({ k, t: 'string', v: 'old', x: 1000 }));
    const empty: RecordLine[] = [
      { k: 'other', t: 'hash', v: [], i: 0 },
      { k: 'other', t: 'hash', v: [], i: 1, last: true },
    ];
    const counts = await target.write(recordsOf(...gone, empty, { k: 'new', t: 'list', v: [] }), { mode });
    const removed = mode === 'replace' ? 2 : 0;
    // A key that is there is kept, whether the snapshot's record of it is empty or not.
    const kept = mode === 'missing' ? 1 : 0;
    expect(counts).toEqual({ written: 0, kept, removed, expired: 4 - kept, bytes: 0 });
    expect(await keys()).toEqual(mode === 'replace' ? [] : ['other', 'there']);
  });

  it('missing writes what is absent and pays one command for a batch that is there', async () => {
    expect(await target.write(recordsOf(...ALL_TYPES), { mode: 'missing' })).toMatchObject({ written: 8, kept: 0 });
    expect(await target.database.redis.pexpiretime('list')).toBe(FAR);
    expect(await target.staged()).toEqual([]);
    const before = target.port.usage().commands;
    const many = Array.from({ length: 400 }, (_, at): RecordLine => ({ k: `s${at}`, t: 'string', v: 'x' }));
    await target.write(recordsOf(...many), { mode: 'missing' });
    const between = target.port.usage().commands;
    expect(await target.write(recordsOf(...many), { mode: 'missing' })).toMatchObject({ written: 0, kept: 400 });
    expect(between - before).toBe(401);
    expect(target.port.usage().commands - between).toBe(1);
  });

  it('missing writes the absent ones of a batch of which some are there', async () => {
    const { redis } = target.database;
    await redis.hset('hash', 'mine', '1');
    await redis.rpush('big', 'mine');
    const counts = await target.write(recordsOf(...ALL_TYPES), { mode: 'missing' });
    expect(counts).toMatchObject({ written: 6, kept: 2 });
    expect(await redis.hgetall('hash')).toEqual({ mine: '1' });
    expect(await redis.lrange('big', 0, -1)).toEqual(['mine']);
  });

  it('missing leaves alone what somebody creates between the question and the write', async () => {
    const { redis } = target.database;
    const names = ['string', 'timed', 'hash', 'list', Buffer.from([0xff]), 'zset', 'stream', 'big'];
    const port = around(target.port, async (send, commands, way) => {
      if (way === 'transaction') await Promise.all(names.map((name) => redis.set(name, 'mine', 'PXAT', FAR + 1)));
      return send(commands);
    });
    expect(await target.write(recordsOf(...ALL_TYPES), { mode: 'missing', port })).toMatchObject({
      written: 0,
      kept: 8,
    });
    for (const name of names) {
      expect(await redis.get(name)).toBe('mine');
      expect(await redis.pexpiretime(name)).toBe(FAR + 1);
    }
    expect(await target.staged()).toEqual([]);
  });

  it.each(['replace', 'missing'] as const)('%s leaves nothing of a key whose time ends on the way', async (mode) => {
    const past: RecordLine[] = [
      { k: 'string', t: 'string', v: 'x', x: 1000 },
      { k: 'hash', t: 'hash', v: [['f', 'v']], x: 1000 },
    ];
    const big: RecordLine[] = [
      { k: 'list', t: 'list', v: ['a'], i: 0, x: 1000 },
      { k: 'list', t: 'list', v: ['b'], i: 1, last: true, x: 1000 },
    ];
    await target.write(recordsOf(...past, big), { mode });
    expect(await keys()).toEqual([]);
  });

  it('keeps the empty string, in one line and in several', async () => {
    const lines: RecordLine[] = [
      { k: 'b', t: 'string', v: '', i: 0 },
      { k: 'b', t: 'string', v: '', i: 1, last: true },
    ];
    await target.write(recordsOf({ k: 'a', t: 'string', v: '' }, lines));
    expect(await target.database.redis.mget('a', 'b')).toEqual(['', '']);
    expect(await target.database.redis.ttl('b')).toBe(-1);
  });
});
