import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { openLocalUpstash, TOKEN, type LocalUpstash, LIMIT, type Call } from './upstash-redis-fixture.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';

let local: LocalUpstash;
beforeAll(async () => {
  local = await openLocalUpstash();
});
afterEach(() => local.direct.flushall());
afterAll(() => local.close());

describe('commands', () => {
  it('come as a JSON array', async () => {
    expect(await local.call({ body: ['set', 'k', 'v', 'EX', 100] })).toEqual([200, { result: 'OK' }]);
    expect(await local.call({ body: ['GET', 'k'] })).toEqual([200, { result: 'v' }]);
    expect(await local.call({ body: ['TTL', 'k'] })).toEqual([200, { result: 100 }]);
  });

  it('come in the path, with the body as the last argument and options in the query', async () => {
    expect(await local.call({ path: '/set/k%2Fey/v%20v', method: 'GET' })).toEqual([200, { result: 'OK' }]);
    expect(await local.call({ path: '/get/k%2Fey', method: 'GET' })).toEqual([200, { result: 'v v' }]);
    const raw = Buffer.from([0xff, 0x00, 0x2f]);
    expect(await local.call({ path: '/set/bin%ff?EX=100&NX', body: raw })).toEqual([200, { result: 'OK' }]);
    expect(await local.direct.getBuffer(Buffer.from('bin\xff', 'latin1'))).toEqual(raw);
    expect(await local.direct.ttl(Buffer.from('bin\xff', 'latin1'))).toBe(100);
    expect(await local.call({ path: '/set/bin%ff?NX', body: raw })).toEqual([200, { result: null }]);
  });

  it('come as a pipeline that continues after an error, or as a transaction', async () => {
    const body = [
      ['SET', 'k', 'v'],
      ['INCR', 'k'],
      ['LRANGE', 'none', 0, -1],
    ];
    const answers = [{ result: 'OK' }, { error: 'ERR value is not an integer or out of range' }, { result: [] }];
    expect(await local.call({ path: '/pipeline', body })).toEqual([200, answers]);
    expect(await local.call({ path: '/multi-exec', body })).toEqual([200, answers]);
  });

  it('are discarded together when one of a transaction cannot be run', async () => {
    for (const wrong of [['NOSUCH'], ['GET'], ['CONFIG', 'GET', '*']]) {
      const answer = await local.call({ path: '/multi-exec', body: [['SET', 'k', 'v'], wrong] });
      expect(answer).toEqual([400, { error: expect.stringMatching(/^ERR /) }]);
    }
    expect(await local.direct.exists('k')).toBe(0);
    expect(await local.call({ path: '/multi-exec', body: [['GET', 'k']] })).toEqual([200, [{ result: null }]]);
  });

  it.each([
    ['OBJECT', 'ENCODING', 'k'],
    ['CONFIG', 'GET', 'save'],
    ['FUNCTION', 'DUMP'],
    ['MIGRATE', '127.0.0.1', '1', 'k', '0', '1'],
    ['XSETID', 'k', '1-1'],
    ['WATCH', 'k'],
    ['MULTI'],
    ['BLPOP', 'k', '0'],
    ['XREAD', 'COUNT', '1', 'BLOCK', '0', 'STREAMS', 'k', '$'],
    ['SUBSCRIBE', 'k'],
    ['SELECT', '1'],
    ['JSON.GET', 'k'],
  ])('%s %s are not offered', async (...command) => {
    const error = { error: expect.stringMatching(/^ERR (Command is not available|unknown command)/) };
    expect(await local.call({ body: command })).toEqual([400, error]);
    expect(await local.call({ path: '/pipeline', body: [command, ['ECHO', 'on']] })).toEqual([
      200,
      [error, { result: 'on' }],
    ]);
  });

  it('SCAN names types on request, and a pattern may be called like the option', async () => {
    await local.direct.mset('withtype', '1', 'other', '2');
    await local.direct.sadd('set', 'x');
    const [, all] = await local.call({ body: ['SCAN', '0', 'COUNT', '100', 'withtype'] });
    const flat = (all as { result: [string, string[]] }).result[1];
    const types = new Map(flat.flatMap((key, index) => (index % 2 === 0 ? [[key, flat[index + 1]]] : [])));
    expect(types).toEqual(
      new Map([
        ['withtype', 'string'],
        ['other', 'string'],
        ['set', 'set'],
      ]),
    );
    expect(await local.call({ body: ['SCAN', '0', 'MATCH', 'withtype'] })).toEqual([
      200,
      { result: ['0', ['withtype']] },
    ]);
    const filtered = await local.call({ path: '/multi-exec', body: [['SCAN', '0', 'WITHTYPE', 'TYPE', 'set']] });
    expect(filtered).toEqual([200, [{ result: ['0', ['set', 'set']] }]]);
  });
});

describe('encoding', () => {
  it('gives base64 for all strings but a status OK', async () => {
    await local.direct.hset('h', 'f', 'OK', 'n', Buffer.from([0xff]));
    await local.direct.set('ok', 'OK');
    const body = [
      ['SET', 's', 'v'],
      ['GET', 'ok'],
      ['HGETALL', 'h'],
      ['PING'],
      ['TYPE', 'h'],
      ['INCR', 'i'],
      ['GET', '-'],
    ];
    const results = ['OK', 'T0s=', ['Zg==', 'T0s=', 'bg==', '/w=='], 'UE9ORw==', 'aGFzaA==', 1, null];
    for (const path of ['/pipeline', '/multi-exec']) {
      await local.direct.del('i');
      expect(await local.call({ path, body, base64: true })).toEqual([200, results.map((result) => ({ result }))]);
    }
  });

  it('gives text otherwise, which loses bytes, and integers with all their digits', async () => {
    await local.direct.set('n', Buffer.from([0x61, 0xff]));
    expect(await local.call({ body: ['GET', 'n'] })).toEqual([200, { result: 'a\ufffd' }]);
    const response = await fetch(`${local.standIn.url}/incrby/i/9223372036854775807?_token=${TOKEN}`);
    expect(await response.text()).toBe('{"result":9223372036854775807}');
  });
});

describe('access', () => {
  it.each([
    ['no token', { token: null }],
    ['a wrong token', { token: 'other' }],
    ['a wrong _token', { token: null, path: '/?_token=other' }],
  ])('%s is refused', async (_, wrong) => {
    const before = local.standIn.commandCount();
    expect(await local.call({ ...wrong, body: ['GET', 'k'] })).toEqual([401, { error: 'Unauthorized' }]);
    expect(local.standIn.commandCount()).toBe(before);
  });

  it('takes the token from the query', async () => {
    expect(await local.call({ token: null, path: `/echo/a?_token=${TOKEN}`, method: 'GET' })).toEqual([
      200,
      { result: 'a' },
    ]);
  });

  it('a read-only token reads, but neither writes nor lists keys', async () => {
    const noPermission = { error: expect.stringMatching(/^NOPERM /) };
    for (const body of [
      ['SET', 'k', 'v'],
      ['SCAN', '0'],
      ['SCAN', '0', 'WITHTYPE'],
      ['KEYS', '*'],
      ['EVAL', 'return 1', 0],
    ]) {
      expect(await local.call({ token: 'read-token', body })).toEqual([400, noPermission]);
    }
    const body = [['GET', 'k'], ['DEL', 'k'], ['PING']];
    const answers = [{ result: null }, noPermission, { result: 'PONG' }];
    expect(await local.call({ token: 'read-token', path: '/pipeline', body })).toEqual([200, answers]);
    expect(await local.call({ token: 'read-token', path: '/multi-exec', body })).toEqual([400, noPermission]);
  });
});

describe('limits and malformed requests', () => {
  const tooLarge = (actual: number) => ({
    error: `ERR max request size exceeded. Limit: ${LIMIT} bytes, Actual: ${actual} bytes`,
  });

  it('refuses a request over the limit', async () => {
    const body = Buffer.alloc(LIMIT * 50, 0x61);
    expect(await local.call({ path: '/set/k', body })).toEqual([413, tooLarge(LIMIT * 50)]);
    expect(await local.call({ path: '/set/k', body: body.subarray(0, LIMIT) })).toEqual([200, { result: 'OK' }]);
  });

  it('refuses a reply over the limit: that of one command, or all together', async () => {
    await local.direct.mset('big', 'x'.repeat(LIMIT + 1), 'half', 'x'.repeat(LIMIT - 1));
    expect(await local.call({ body: ['GET', 'big'] })).toEqual([400, tooLarge(LIMIT + 1)]);
    const [status, items] = await local.call({
      path: '/pipeline',
      body: [
        ['GET', 'big'],
        ['GET', 'half'],
      ],
    });
    expect([status, items]).toEqual([200, [tooLarge(LIMIT + 1), { result: 'x'.repeat(LIMIT - 1) }]]);
    const both = await local.call({
      path: '/pipeline',
      body: [
        ['GET', 'half'],
        ['GET', 'half'],
      ],
    });
    expect(both).toEqual([400, tooLarge(2 * (LIMIT - 1))]);
  });

  it('refuses what is over its commands a second as a whole, and takes it a second later', async () => {
    let now = 0;
    const { redisUrl } = local;
    const standIn = await startUpstashRedis({ redisUrl, token: 'test', commandsPerSecond: 100, now: () => now });
    try {
      const redis = upstashRedis({
        url: standIn.url,
        token: 'test',
        clock: systemClock(),
        retry: { attempts: 1, baseMs: 0, capMs: 0 },
      });
      const write = (commands: number): Promise<unknown> =>
        redis.pipeline(Array.from({ length: commands }, () => ['INCR', 'throttled'] as const));
      await write(60);
      await expect(write(41)).rejects.toMatchObject({ code: 'redis-limit', transient: true });
      await write(40);
      now = 999;
      await expect(write(1)).rejects.toMatchObject({ code: 'redis-limit' });
      now = 1000;
      await write(100);
      expect(await local.direct.get('throttled')).toBe('200');
      expect([standIn.commandCount(), standIn.throttledCount()]).toEqual([200, 2]);
    } finally {
      await standIn.stop();
    }
  });

  it.each<[string, Call, number]>([
    ['no JSON', { body: Buffer.from('{') }, 400],
    ['an object', { body: { a: 1 } }, 400],
    ['an empty command', { body: [] }, 400],
    ['a null argument', { body: ['SET', 'k', null] }, 400],
    ['a nested argument', { body: ['SET', 'k', ['v']] }, 400],
    ['an empty pipeline', { path: '/pipeline', body: [] }, 400],
    ['a pipeline of one command', { path: '/pipeline', body: ['GET', 'k'] }, 400],
    ['a bad escape', { path: '/get/%zz', method: 'GET' }, 400],
    ['another method', { path: '/get/k', method: 'DELETE' }, 405],
    ['another format', { body: ['PING'], headers: { 'upstash-response-format': 'resp2' } }, 400],
  ])('%s', async (_, request, status) => {
    expect(await local.call(request)).toEqual([status, { error: expect.stringMatching(/^ERR /) }]);
  });
});

describe('counts and process', () => {
  it('counts requests, commands and those that may write', async () => {
    const before = [local.standIn.requestCount(), local.standIn.commandCount(), local.standIn.writeCommandCount()];
    await local.call({
      path: '/pipeline',
      body: [
        ['SET', 'k', 'v'],
        ['GET', 'k'],
        ['SCAN', '0', 'WITHTYPE'],
      ],
    });
    await local.call({
      path: '/multi-exec',
      body: [
        ['EVAL', 'return 1', 0],
        ['EVAL', '#!lua flags=no-writes\nreturn 1', 0],
      ],
    });
    const after = [local.standIn.requestCount(), local.standIn.commandCount(), local.standIn.writeCommandCount()];
    expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual([2, 5, 2]);
  });

  it('refuses to start without a redis-server', async () => {
    await expect(startUpstashRedis({ redisUrl: 'redis://127.0.0.1:1', token: 't' })).rejects.toMatchObject({
      code: 'config',
    });
  });

  it('runs in a separate process and ends on SIGTERM', async () => {
    const main = new URL('../../dist/dev/upstash-redis/main.js', import.meta.url).pathname;
    const child = spawn(process.execPath, [main, '--redis', local.redisUrl, '--token', 'own', '--limit', '100'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { url } = JSON.parse(line.toString()) as { url: string };
    const response = await fetch(`${url}/echo/here?_token=own`);
    expect(await response.json()).toEqual({ result: 'here' });
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});
