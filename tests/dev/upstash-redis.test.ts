import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { openLocalUpstash, TOKEN, type LocalUpstash } from './upstash-redis-fixture.js';

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
