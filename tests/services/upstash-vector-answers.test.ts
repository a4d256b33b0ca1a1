import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { bodyOf, serveHttp, type HttpServer } from '../../dev/stand-in-server.js';
import type { VectorIndex } from '../../lib/ports/vector-index.js';
import { towards } from '../contracts/vector-index-fixture.js';
import { discreet, vectorRig } from '../contracts/vector-index-rig.js';

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
