import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RedisCommand } from '../../lib/ports/redis.js';
import fc, { anyCharacter } from '../support/fast-check.js';
import {
  type Define,
  type Fixture,
  hex,
  NOT_UTF8,
  type OpenRedis,
  plain,
  removeKeys,
  scan,
  toFixture,
  valueOf,
} from './redis-port-fixture.js';

/** The contract of every RedisPort. `open` is called once; only keys of the suite are changed. */
export function redisPortContract(name: string, open: () => Promise<OpenRedis>): void {
  describe(`RedisPort: ${name}`, () => {
    let fixture: Fixture;
    const test: Define = (title, run) => it(title, () => run(fixture));

    beforeAll(async () => {
      fixture = toFixture(await open());
    });
    afterAll(async () => {
      await removeKeys(fixture);
      await fixture.close();
    });

    valueTests(test);
    byteTests(test);
    propertyTests(test);
    batchTests(test);
    transactionTests(test);
  });
}

const BYTES = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes));

function valueTests(test: Define): void {
  test('returns the values of every type in order', async ({ redis, key }) => {
    const [text, hash, list, set, zset] = ['text', 'hash', 'list', 'set', 'zset'].map(key) as [string, ...string[]];
    const replies = await redis.pipeline([
      ['SET', text, 'wörld', 'PXAT', 4102444800000],
      ['HSET', hash as string, 'field', 'v', '__proto__', 'kept'],
      ['RPUSH', list as string, 'a', 'b', 'a'],
      ['SADD', set as string, 'only'],
      ['ZADD', zset as string, 2, 'two', 1, 'one'],
      ['GET', text],
      ['PEXPIRETIME', text],
      ['HGETALL', hash as string],
      ['LRANGE', list as string, 0, -1],
      ['SMEMBERS', set as string],
      ['ZRANGE', zset as string, 0, -1, 'WITHSCORES'],
      ['GET', key('absent')],
      ['TYPE', key('absent')],
    ]);
    expect(replies.map(plain)).toEqual([
      ...['OK', 2, 3, 1, 2],
      ...['wörld', 4102444800000, ['field', 'v', '__proto__', 'kept'], ['a', 'b', 'a'], ['only']],
      ...[['one', '1', 'two', '2'], null, 'none'],
    ]);
  });

  test('returns nested lists unchanged', async ({ redis, key }) => {
    const stream = key('stream');
    const replies = await redis.pipeline([
      ['XADD', stream, '1-1', 'f', 'v', 'g', ''],
      ['XADD', stream, '2-0', 'f', 'OK'],
      ['XRANGE', stream, '-', '+'],
    ]);
    expect(plain(replies[2])).toEqual([
      ['1-1', ['f', 'v', 'g', '']],
      ['2-0', ['f', 'OK']],
    ]);
  });

  test('keeps scores that no double in JSON could carry', async ({ redis, key }) => {
    const zset = key('scores');
    const replies = await redis.pipeline([
      ['ZADD', zset, 'inf', 'p', '-inf', 'n', '0.30000000000000004', 'f', '12345678901234567', 'big'],
      ['ZRANGE', zset, 0, -1, 'WITHSCORES'],
    ]);
    const finite = ['f', '0.30000000000000004', 'big', expect.stringMatching(/^1\.?2345678901234568(e\+16)?$/)];
    expect(plain(replies[1])).toEqual(['n', '-inf', ...finite, 'p', 'inf']);
  });

  test('keeps integers of 64 bits, as bigints where a number would round them', async ({ redis, key }) => {
    const [counter, text] = [key('counter'), key('digits')];
    const replies = await redis.pipeline([
      ['SET', text, '9223372036854775807'],
      ['GET', text],
      ['INCRBY', counter, '9007199254740991'],
      ['INCRBY', counter, '2'],
      ['DECRBY', key('negative'), '9223372036854775807'],
    ]);
    expect(replies.slice(1)).toEqual([
      { value: Buffer.from('9223372036854775807') },
      { value: 9007199254740991 },
      { value: 9007199254740993n },
      { value: -9223372036854775807n },
    ]);
  });
}

function byteTests(test: Define): void {
  test('keeps a byte order mark, an OK and an empty string that are data', async ({ redis, key }) => {
    const hash = key('traps');
    const values = ['\ufeffmarked', 'OK', '', 'null', '123', '"quoted"', '\u0000', 'a\u2028b'];
    await redis.pipeline([['HSET', hash, ...values.flatMap((value, index) => [`f${index}`, value])]]);
    const replies = await redis.pipeline([
      ['HVALS', hash],
      ['HGET', hash, 'f1'],
    ]);
    expect(plain(replies[0])).toEqual(values);
    expect(plain(replies[1])).toBe('OK');
  });

  test('accepts keys, fields and values that are not UTF-8, alone and among text', async ({ redis, binaryKey }) => {
    const [string, hash] = [binaryKey(), binaryKey()];
    const replies = await redis.pipeline([
      ['SET', string, NOT_UTF8],
      ['GET', string],
      ['HSET', hash, 'text', 'ünïcode', NOT_UTF8, 'v', 'f', NOT_UTF8],
      ['HGETALL', hash],
      ['EXISTS', string, hash],
      ['TYPE', hash],
      ['LRANGE', hash, 0, -1],
    ]);
    expect(replies.slice(1, 6)).toEqual([
      { value: NOT_UTF8 },
      { value: 3 },
      { value: [Buffer.from('text'), Buffer.from('ünïcode'), NOT_UTF8, Buffer.from('v'), Buffer.from('f'), NOT_UTF8] },
      { value: 2 },
      { value: Buffer.from('hash') },
    ]);
    expect(replies[6]).toEqual({ error: expect.stringMatching(/^WRONGTYPE [A-Za-z ]+$/) });
  });

  test('accepts thousands of binary members in one command', async ({ redis, binaryKey }) => {
    const key = binaryKey();
    const members = Array.from({ length: 6_990 }, (_, index) => Buffer.from([0xff, index >> 8, index & 255]));
    const replies = await redis.transaction([
      ['RPUSH', key, ...members],
      ['LRANGE', key, 0, -1],
    ]);
    expect(replies[0]).toEqual({ value: members.length });
    expect(replies[1]).toEqual({ value: members });
  });
}

function propertyTests(test: Define): void {
  test('SET and GET return any bytes', async ({ redis, key }) => {
    const oneBatch = fc.asyncProperty(fc.array(BYTES, { minLength: 1, maxLength: 20 }), async (values) => {
      const writes = values.map((value, index): RedisCommand => ['SET', key(`any:${index}`), value]);
      const reads = values.map((_, index): RedisCommand => ['GET', key(`any:${index}`)]);
      const replies = await redis.pipeline([...writes, ...reads]);
      expect(replies.slice(values.length)).toEqual(values.map((value) => ({ value })));
    });
    await fc.assert(oneBatch, { numRuns: 25 });
  });

  test('HSET and HGETALL return any fields and any text', async ({ redis, key }) => {
    const text = fc.string({ unit: anyCharacter });
    const entries = fc.uniqueArray(fc.tuple(BYTES, text), { minLength: 1, maxLength: 10, selector: ([f]) => hex(f) });
    const oneHash = fc.asyncProperty(entries, async (pairs) => {
      const hash = key('any-hash');
      const replies = await redis.transaction([
        ['DEL', hash],
        ['HSET', hash, ...pairs.flat()],
        ['HGETALL', hash],
      ]);
      const flat = (valueOf(replies[2]) as Buffer[]).map(hex);
      const found = new Map(flat.flatMap((item, index) => (index % 2 === 0 ? [[item, flat[index + 1]]] : [])));
      expect(found).toEqual(new Map(pairs.map(([field, value]) => [hex(field), hex(Buffer.from(value))])));
    });
    await fc.assert(oneHash, { numRuns: 25 });
  });
}

function batchTests(test: Define): void {
  test('SCAN with WITHTYPE reaches an end and names each key with its type', async ({ redis, key, prefix }) => {
    const names = Array.from({ length: 250 }, (_, index) => key(`scan:${index}`));
    await redis.pipeline(names.map((name, index) => (index % 2 === 0 ? ['SET', name, 'x'] : ['SADD', name, 'x'])));
    const types = await scan(redis, `${prefix}scan:*`);
    const expected = names.map((name, index) => [name, index % 2 === 0 ? 'string' : 'set'] as const);
    expect(types).toEqual(new Map(expected));
  });

  test('returns the replies of a thousand commands in order', async ({ redis }) => {
    const commands = Array.from({ length: 1_000 }, (_, index): RedisCommand => ['ECHO', `n${index}`]);
    const replies = await redis.pipeline(commands);
    expect(replies.map(plain)).toEqual(commands.map(([, text]) => text));
  });

  test('a refused command does not affect the others, and its error does not quote it', async ({ redis, key }) => {
    const list = key('refused');
    const replies = await redis.pipeline([
      ['RPUSH', list, 'a'],
      ['INCR', list],
      ['NOSUCHCOMMAND', 'secret-argument'],
      ['XREADGROUP', 'GROUP', 'secret-group', 'me', 'STREAMS', key('no-stream'), '>'],
      ['LLEN', list],
    ]);
    expect([replies[0], replies[4]].map(plain)).toEqual([1, 1]);
    expect(replies[1]).toEqual({ error: expect.stringMatching(/^WRONGTYPE /) });
    expect(replies[2]).toEqual({ error: expect.stringMatching(/^ERR .*NOSUCHCOMMAND/) });
    expect(replies[3]).toEqual({ error: expect.stringMatching(/^NOGROUP /) });
    expect(JSON.stringify(replies)).not.toMatch(/secret-|no-stream/);
  });

  test('counts requests, commands and bytes', async ({ redis, key }) => {
    const before = redis.usage();
    await redis.pipeline([
      ['SET', key('counted'), 'x'.repeat(1_000)],
      ['GET', key('counted')],
      ['SET', key('counted'), NOT_UTF8],
    ]);
    const after = redis.usage();
    expect(after.requests - before.requests).toBe(1);
    // The command with binary arguments is a script and the command it runs.
    expect(after.commands - before.commands).toBe(4);
    expect(after.bytesSent - before.bytesSent).toBeGreaterThan(1_000);
    expect(after.bytesReceived - before.bytesReceived).toBeGreaterThan(1_000);
  });
}

function transactionTests(test: Define): void {
  test('nothing runs between the commands of a transaction', async ({ redis, key }) => {
    const counter = key('atomic');
    const steps: RedisCommand[] = Array.from({ length: 5 }, () => ['INCR', counter]);
    const runs = await Promise.all(Array.from({ length: 40 }, () => redis.transaction(steps)));
    for (const run of runs) {
      const first = Number(plain(run[0]));
      expect(run.map(plain)).toEqual(steps.map((_, index) => first + index));
    }
    expect((await redis.pipeline([['GET', counter]])).map(plain)).toEqual(['200']);
  });

  test('a command that fails in a transaction leaves the others in force', async ({ redis, key, binaryKey }) => {
    const [text, binary] = [key('half'), binaryKey()];
    const replies = await redis.transaction([
      ['SET', text, 'v'],
      ['LPUSH', text, 'x'],
      ['SET', binary, NOT_UTF8],
      ['HGET', binary, NOT_UTF8],
      ['GET', binary],
    ]);
    expect([replies[0], replies[2]].map(plain)).toEqual(['OK', 'OK']);
    expect([replies[1], replies[3]]).toEqual([
      { error: expect.stringMatching(/^WRONGTYPE /) },
      { error: expect.stringMatching(/^WRONGTYPE /) },
    ]);
    expect(replies[4]).toEqual({ value: NOT_UTF8 });
  });

  test('a transaction with an unknown command is not run at all', async ({ redis, key }) => {
    const text = key('discarded');
    const run = redis.transaction([
      ['SET', text, 'secret-value'],
      ['NOSUCHCOMMAND', 'secret-argument'],
    ]);
    await expect(run).rejects.toMatchObject({ code: 'redis-command', message: expect.not.stringContaining('secret') });
    expect((await redis.pipeline([['EXISTS', text]])).map(plain)).toEqual([0]);
  });
}
