import { expect } from '@jest/globals';
import type { RedisCommand } from '../../../lib/ports/redis.js';
import { NOT_UTF8, plain, scan, type Define } from './fixture.js';

export function batchTests(test: Define): void {
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

export function transactionTests(test: Define): void {
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
