import type { ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { bodyOf, type HttpServer, serveHttp } from '../../dev/stand-in-server.js';
import { startUpstashVector, type UpstashVectorStandIn } from '../../dev/upstash-vector/index.js';
import type { VectorIndex } from '../../lib/ports/vector-index.js';
import { discreet, NOW, towards, vector, vectorRig } from '../contracts/vector-index-fixture.js';

const ITEM = vector('secret-id', towards(0, 3), { title: 'secret-title' });

describe('upstashVector over a stand-in with faults', () => {
  let standIn: UpstashVectorStandIn;
  let index: VectorIndex;
  let slept: readonly number[];
  beforeEach(async () => {
    standIn = await startUpstashVector({ dimensions: 3, token: 'secret-token' });
    ({ index, slept } = vectorRig(standIn.url));
  });
  afterEach(() => standIn.stop());

  const reject = (
    status: number,
    error: string,
    more: { headers?: Record<string, string>; hits?: number } = {},
  ): void => standIn.setFaults({ reject: { status, body: JSON.stringify({ error, status }), hits: 1_000, ...more } });
  const upsert = (): Promise<void> => index.upsert('secret-project', [ITEM]);

  it.each([500, 502, 503, 408, 429])('survives a few answers with status %d', async (status) => {
    reject(status, 'try later', { hits: 2 });
    await upsert();
    expect(standIn.requestCount('upsert')).toBe(3);
    expect(standIn.upsertsOf('secret-project', 'secret-id')).toBe(1);
    expect(slept).toHaveLength(2);
  });

  it('waits as long as Retry-After says, in seconds or until a date', async () => {
    reject(429, 'slow down', { headers: { 'retry-after': '3' }, hits: 1 });
    await upsert();
    reject(503, 'later', { headers: { 'retry-after': new Date(NOW + 4_000).toUTCString() }, hits: 1 });
    await upsert();
    expect(slept).toEqual([3_000, 4_000]);
  });

  it('returns a longer Retry-After to its caller at once', async () => {
    reject(429, 'slow down', { headers: { 'retry-after': '60' } });
    expect(await discreet(upsert())).toMatchObject({ code: 'vector-limit', transient: true, retryAfterMs: 60_000 });
    expect(standIn.requestCount()).toBe(1);
  });

  it.each([
    ['a wrong token', 401, 'Unauthorized: Invalid auth token secret-token', 'vector-denied'],
    ['a token that may not write', 403, 'Forbidden', 'vector-denied'],
    ['a used up day', 429, 'Exceeded daily update limit: 10000', 'vector-quota'],
    ['a used up day, told with 200', 200, 'Exceeded daily update limit: 10000', 'vector-quota'],
    ['a used up plan, told with 200', 200, 'Exceeded maximum vector count', 'vector-limit'],
    ['a used up plan', 400, 'Exceeded maximum vector count', 'vector-limit'],
    ['another dimension', 422, 'Invalid vector dimension: 3, expected: 768', 'vector-mismatch'],
    ['another dimension in other words', 422, 'secret-title has a bad dimension', 'vector-mismatch'],
    ['metadata that it does not take', 422, 'Metadata too long: secret-title', 'vector-refused'],
    ['a request that it does not understand', 400, 'bad id secret-id', 'vector-refused'],
    ['a path that is not there', 404, 'Unknown path secret-project', 'vector-refused'],
    ['a redirect', 302, 'secret-title', 'vector-refused'],
  ])('gives up at once on %s', async (_, status, text, code) => {
    reject(status, text, { headers: { location: 'http://127.0.0.1:1/' } });
    expect(await discreet(upsert())).toMatchObject({ code, transient: false });
    expect(standIn.requestCount()).toBe(1);
  });

  it('names both dimensions', async () => {
    const error = await discreet(index.upsert('secret-project', [vector('secret-id', towards(0, 2))]));
    expect(error.message).toContain('it has 3 dimensions, not 2');
  });

  it('gives up after the last try', async () => {
    reject(503, 'secret-title');
    expect(await discreet(upsert())).toMatchObject({ code: 'vector-unavailable', transient: true });
    expect(standIn.requestCount()).toBe(3);
  });

  it('writes again when the reply got lost', async () => {
    standIn.setFaults({ loseReply: 1 });
    await upsert();
    expect(standIn.upsertsOf('secret-project', 'secret-id')).toBe(2);
    standIn.setFaults({ loseReply: 1 });
    await index.remove('secret-project', ['secret-id']);
    expect(await index.fetch('secret-project', ['secret-id'])).toEqual([null]);
  });

  it('tries again when a server does not answer in time, and gives up in the end', async () => {
    ({ index } = vectorRig(standIn.url, { timeoutMs: 1_000 }));
    standIn.setFaults({ hang: 3 });
    const error = await discreet(upsert());
    expect(error).toMatchObject({ code: 'vector-unavailable', transient: true });
    expect(error.message).toContain('1000 ms');
    expect(standIn.requestCount()).toBe(3);
  });

  it('calls a server that is gone unavailable', async () => {
    await standIn.stop();
    const error = await discreet(upsert());
    expect(error).toMatchObject({ code: 'vector-unavailable', transient: true });
    expect(error.message).toContain('ECONNREFUSED');
    standIn = await startUpstashVector();
  });

  it('treats a namespace that Upstash does not know as empty', async () => {
    reject(404, 'Namespace secret-project for the index n does not exist');
    expect(await index.fetch('secret-project', ['a', 'b'])).toEqual([null, null]);
    expect(await index.range('secret-project', null, 5)).toEqual({ vectors: [], next: null });
    expect(await index.query('secret-project', towards(0, 3), 5)).toEqual([]);
    await index.remove('secret-project', ['a']);
    await index.remove('secret-project', 'all');
  });
});

describe('upstashVector over a server that answers nonsense', () => {
  let server: HttpServer;
  let body: string;
  let answer: (response: ServerResponse) => void;
  beforeAll(async () => {
    server = await serveHttp(async (request, response) => {
      await bodyOf(request);
      answer(response);
    });
  });
  beforeEach(() => {
    answer = (response) => response.writeHead(200).end(body);
  });
  afterAll(() => server.stop());

  const calls: Readonly<Record<string, (index: VectorIndex) => Promise<unknown>>> = {
    info: (index) => index.info(),
    fetch: (index) => index.fetch('p', ['secret-id']),
    range: (index) => index.range('p', '7', 5),
    query: (index) => index.query('p', towards(0, 3), 5),
  };

  it.each([
    ['info', '<html>secret-title</html>'],
    ['info', '{}'],
    ['info', '"secret-title"'],
    ['info', '{"result":null}'],
    ['info', '{"result":{"dimension":"3","similarityFunction":"COSINE","namespaces":{}}}'],
    ['info', '{"result":{"dimension":3,"similarityFunction":"COSINE"}}'],
    ['info', '{"result":{"dimension":3,"similarityFunction":"COSINE","namespaces":{"secret-project":{}}}}'],
    ['fetch', '{"result":[]}'],
    ['fetch', '{"result":[null,null]}'],
    ['fetch', '{"result":[{"id":"secret-title","vector":[1]}]}'],
    ['fetch', '{"result":[{"id":"secret-id"}]}'],
    ['fetch', '{"result":[{"id":"secret-id","vector":["1"]}]}'],
    ['fetch', '{"result":[{"id":"secret-id","vector":[1],"metadata":"secret-title"}]}'],
    ['range', '{"result":{"vectors":[]}}'],
    ['range', '{"result":{"nextCursor":"7","vectors":[]}}'],
    ['range', '{"result":{"nextCursor":"","vectors":[{}]}}'],
    ['query', '{"result":{"secret-id":1}}'],
    ['query', '{"result":[{"id":"secret-id"}]}'],
  ])('%s: %s', async (name, text) => {
    body = text;
    const call = calls[name];
    if (call === undefined) throw new Error(`no such call: ${name}`);
    const { index, slept } = vectorRig(server.url);
    expect(await discreet(call(index))).toMatchObject({ code: 'vector-unavailable', transient: true });
    expect(slept).toHaveLength(name === 'info' && !text.includes('dimension') ? 2 : 0);
  });

  it('does not take a cut answer for a whole one', async () => {
    answer = (response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"result":[null]', () => response.destroy());
    };
    const error = await discreet(vectorRig(server.url).index.fetch('p', ['secret-id']));
    expect(error).toMatchObject({ code: 'vector-unavailable', transient: true });
  });

  it("shows another program's metadata as JSON, and none as none", async () => {
    body = JSON.stringify({
      result: {
        nextCursor: '',
        vectors: [
          { id: 'a', metadata: { n: 1, t: 'text', no: null, list: ['x'] } },
          { id: 'b' },
          { id: 'c', metadata: null },
        ],
      },
    });
    const { vectors } = await vectorRig(server.url).index.range('p', null, 5);
    expect(vectors).toEqual([
      { id: 'a', metadata: { n: '1', t: 'text', no: 'null', list: '["x"]' } },
      { id: 'b', metadata: {} },
      { id: 'c', metadata: {} },
    ]);
  });
});

describe('the configuration of upstashVector', () => {
  it.each(['', 'ftp://secret-project.example', 'secret-project'])('refuses the URL "%s"', (url) => {
    expect(() => vectorRig(url)).toThrow(expect.objectContaining({ code: 'config' }));
  });

  it.each(['', 'secret token', 'secret-token\n'])('refuses the token %j and does not quote it', (token) => {
    expect(() => vectorRig('http://127.0.0.1:1', { token })).toThrow(expect.objectContaining({ code: 'config' }));
    expect(() => vectorRig('http://127.0.0.1:1', { token })).not.toThrow(/secret/);
  });
});
