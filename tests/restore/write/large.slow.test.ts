import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RecordLine } from '../../../lib/snapshot/record.js';
import { piecesOf } from '../../../lib/restore/write/pages.js';
import type { Command } from '../../support/redis-calls.js';
import { NOTHING_WRONG, openWriteBench, recordsOf, twice, type WriteBench } from './write-bench.js';

const MB = 1_000_000;

describe('elements that are too large for one request', () => {
  let bench: WriteBench;
  beforeAll(async () => {
    bench = await openWriteBench();
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.target.database.redis.flushall());

  const binary = randomBytes(3 * MB);
  const text = 'né€👋 '.repeat((6 * MB) / 11);
  const oddField = Buffer.from([0xfe, 0x00, 0xff]);
  const commands: readonly Command[] = [
    ['HSET', 'hash', 'small', '1', oddField, binary, 'after', '2'],
    ['RPUSH', 'list', 'before', text, 'after'],
    ['SADD', Buffer.from([0xff, 0x01]), binary, 'small'],
    ['ZADD', 'zset', '1.5', text, '-inf', 'small'],
    ['XADD', 'stream', '5-1', 'field', binary, oddField, 'x'],
    ['XADD', 'stream', '5-2', 'field', 'small'],
    ['SET', 'string', binary],
    ['SET', 'text', text],
  ];

  it.each([false, true])('are written whole (every request twice: %s)', async (isTwice) => {
    expect(Buffer.byteLength(text)).toBeGreaterThan(5 * MB);
    const { records, compare } = await bench.snapshotOf(commands);
    const port = isTwice ? twice(bench.target.port) : bench.target.port;
    expect(await bench.target.write(records(), { port })).toMatchObject({ written: 7 });
    expect(await compare()).toEqual({ keys: 7, ...NOTHING_WRONG });
    expect(await bench.target.staged()).toEqual([]);
  });

  it('may be characters that JSON escapes to six times their size', async () => {
    const value = '\u0001'.repeat(6 * MB);
    const lines: RecordLine[] = [
      { k: 'list', t: 'list', v: ['a', value] },
      { k: 'string', t: 'string', v: value },
      { k: 'near', t: 'hash', v: [['f', '\u0001'.repeat(MB)]] },
    ];
    await bench.target.write(recordsOf(...lines), { inFlight: 1 });
    const { redis } = bench.target.database;
    expect((await redis.lindex('list', 1)) === value).toBe(true);
    expect((await redis.get('string')) === value).toBe(true);
    expect(await redis.hstrlen('near', 'f')).toBe(MB);
  });

  it('are cut between characters where there are any', () => {
    const cut = [...piecesOf(Buffer.from('a€👋é'.repeat(50)), 16)];
    expect(Buffer.concat(cut).toString()).toBe('a€👋é'.repeat(50));
    expect(cut.every((piece) => Buffer.from(piece.toString()).equals(piece))).toBe(true);
    const bytes = Buffer.from(randomBytes(1000).map((byte) => byte | 0x80));
    expect(Buffer.concat([...piecesOf(bytes, 16)]).equals(bytes)).toBe(true);
  });
});
