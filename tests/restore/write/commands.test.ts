import { describe, expect, it } from '@jest/globals';
import type { RedisCommand, RedisPort, RedisReply } from '../../../lib/ports/redis.js';
import { writeRecords } from '../../../lib/restore/write/index.js';
import type { RecordLine } from '../../../lib/snapshot/record.js';
import { inBatches, recordsOf } from './write-bench.js';

type Reply = (command: RedisCommand) => RedisReply;

/** A server that knows what redis-server 7.0 does not; it keeps what it is sent. */
function scripted(reply: Reply = () => ({ value: 1 })): {
  port: RedisPort;
  sent: RedisCommand[][];
  most: () => number;
} {
  const sent: RedisCommand[][] = [];
  let [underWay, most] = [0, 0];
  const run = async (commands: readonly RedisCommand[]): Promise<RedisReply[]> => {
    sent.push([...commands]);
    most = Math.max(most, ++underWay);
    await new Promise((resolve) => setImmediate(resolve));
    underWay--;
    return commands.map(reply);
  };
  const usage = () => ({ requests: sent.length, commands: 0, bytesSent: 0, bytesReceived: 0 });
  return { port: { host: 'scripted', pipeline: run, transaction: run, usage }, sent, most: () => most };
}

function write(port: RedisPort, lines: readonly (RecordLine | readonly RecordLine[])[], mode: 'replace' | 'missing') {
  const signal = new AbortController().signal;
  return writeRecords(port, inBatches(recordsOf(...lines)), {
    mode,
    staging: 's:',
    now: Date.now,
    inFlight: 2,
    signal,
  });
}

describe('the commands of a restore', () => {
  it('are shared within a batch where possible', async () => {
    const { port, sent } = scripted();
    const lines: RecordLine[] = [
      { k: 'a', t: 'string', v: '1' },
      { k: 'h', t: 'hash', v: [['f', 'v']], x: 9 },
      { k: 'b', t: 'string', v: { b: '/w==' } },
      { k: 'l', t: 'list', v: ['1', '2'] },
      { k: 'c', t: 'string', v: '3', x: 7 },
    ];
    await write(port, lines, 'replace');
    expect(sent).toEqual([
      [
        ['UNLINK', 'h', 'l'],
        ['SET', 'c', '3', 'PXAT', 7],
        ['MSET', 'a', '1', 'b', Buffer.from([0xff])],
        ['HSET', 'h', 'f', 'v'],
        ['PEXPIREAT', 'h', 9],
        ['RPUSH', 'l', '1', '2'],
      ],
    ]);
  });

  it('write JSON documents, small and big', async () => {
    const { port, sent } = scripted((command) => ({
      value: command[0] === 'TYPE' ? Buffer.from('json') : 1,
    }));
    const big = JSON.stringify('x'.repeat(1_500_000));
    expect(await write(port, [{ k: 'd', t: 'json', v: '{"a":1}' }], 'replace')).toMatchObject({ written: 1 });
    expect(sent).toEqual([
      [
        ['UNLINK', 'd'],
        ['JSON.SET', 'd', '$', '{"a":1}'],
      ],
    ]);
    sent.length = 0;
    expect(await write(port, [{ k: 'e', t: 'json', v: big, x: 5 }], 'replace')).toMatchObject({ written: 1 });
    const [assembled, ...rest] = sent.flat().filter(([name]) => name === 'EVAL' || name === 'JSON.SET');
    expect(rest).toEqual([]);
    expect(assembled).toContain('JSON.SET');
    expect(sent.flat().some((command) => command.some((argument) => argument === big))).toBe(false);
    const staged = assembled?.[3] as string;
    expect(sent.at(-1)).toEqual([
      ['RENAME', staged, 'e'],
      ['PEXPIREAT', 'e', 5],
    ]);
  });

  it('set the expiry of fields, one command per time', async () => {
    const { port, sent } = scripted();
    const hash: RecordLine = {
      k: 'h',
      t: 'hash',
      v: [
        ['a', '1'],
        ['b', '2'],
        ['c', '3'],
      ],
      fx: [
        ['a', 5],
        ['b', 6],
        ['c', 5],
      ],
    };
    await write(port, [hash, { ...hash, k: 'i' }], 'replace');
    expect(sent[0]?.[0]?.[0]).toBe('HPEXPIREAT');
    expect(sent).toHaveLength(2);
    expect(sent[1]?.slice(1, 4)).toEqual([
      ['HSET', 'h', 'a', '1', 'b', '2', 'c', '3'],
      ['HPEXPIREAT', 'h', 5, 'FIELDS', 2, 'a', 'c'],
      ['HPEXPIREAT', 'h', 6, 'FIELDS', 1, 'b'],
    ]);
  });

  it('are sent in batches of limited bytes and keys, within the concurrency limit, elements in order', async () => {
    const { port, sent, most } = scripted();
    const small = Array.from({ length: 1100 }, (_, at): RecordLine => ({ k: `s${at}`, t: 'string', v: 'x' }));
    const large = Array.from({ length: 6 }, (_, at): RecordLine => ({
      k: `l${at}`,
      t: 'string',
      v: 'x'.repeat(200_000),
    }));
    expect(await write(port, [...small, ...large], 'replace')).toMatchObject({ written: 1106 });
    const sizes = sent.flat().map((command) => (command.length - 1) / 2);
    expect(sizes).toEqual([500, 500, 101, 1, 1, 1, 1, 1]);
    expect(most()).toBe(2);
  });

  it('work without ENTRIESREAD and XSETID on servers that lack them', async () => {
    const { port, sent } = scripted((command) => {
      if (command.includes('ENTRIESREAD') || command[0] === 'XSETID') return { error: 'ERR syntax error' };
      return { value: command[0] === 'TYPE' ? Buffer.from('stream') : 1 };
    });
    const group = { name: 'g', lastId: '1-1', entriesRead: 1, consumers: [], pending: [] };
    const v = { entries: [['1-1', ['f', 'v']]] as const, lastId: '1-1', entriesAdded: 3, maxDeletedId: '0-0' };
    const stream: RecordLine = { k: 'x', t: 'stream', v: { ...v, groups: [group] } };
    expect(await write(port, [stream], 'replace')).toMatchObject({ written: 1 });
    const creates = sent.flat().filter(([name]) => name === 'XGROUP');
    expect(creates.map((command) => command.length)).toEqual([7, 5]);
  });
});
