import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { bodyOf, serveHttp, type HttpServer } from '../../dev/stand-in-server.js';
import { type FaultAction, type FaultProxy, type ProxiedRequest, startFaultProxy } from '../../dev/fault-proxy.js';

let server: HttpServer;
let target: string;
let reached: { host: string | undefined; path: string | undefined; body: string; header: string | undefined }[] = [];
const proxies: FaultProxy[] = [];

beforeAll(async () => {
  server = await serveHttp(async (request, response) => {
    const body = (await bodyOf(request)).toString();
    const { headers, url: path } = request;
    reached.push({ host: headers.host, path, body, header: headers['x-thing'] as string });
    response.writeHead(201, { 'x-from': 'behind', 'set-cookie': ['a=1', 'b=2'] }).end(`got ${body}`);
  });
  target = server.url;
});
afterAll(() => server.stop());
afterEach(async () => {
  reached = [];
  for (const proxy of proxies.splice(0)) await proxy.stop();
});

async function start(rule: (request: ProxiedRequest) => FaultAction | Promise<FaultAction>): Promise<FaultProxy> {
  const proxy = await startFaultProxy({ target, rule });
  proxies.push(proxy);
  return proxy;
}

describe('startFaultProxy', () => {
  it('passes requests and answers through as they are, Host included', async () => {
    const proxy = await start(() => 'pass');
    const init = { method: 'PUT', body: 'some body', headers: { 'x-thing': 'kept' } };
    const answer = await fetch(`${proxy.url}/a%20b?c=d`, init);
    expect(answer.status).toBe(201);
    expect(answer.headers.get('x-from')).toBe('behind');
    expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(await answer.text()).toBe('got some body');
    const host = new URL(proxy.url).host;
    expect(reached).toEqual([{ host, path: '/a%20b?c=d', body: 'some body', header: 'kept' }]);
    expect(proxy.requests).toMatchObject([
      { index: 0, method: 'PUT', path: '/a%20b?c=d', body: Buffer.from('some body') },
    ]);
  });

  it('passes a body on that came without a length', async () => {
    const proxy = await start(() => 'pass');
    const body = new Blob(['in ', 'chunks']).stream();
    const answer = await fetch(proxy.url, { method: 'POST', body, duplex: 'half' });
    expect(await answer.text()).toBe('got in chunks');
  });

  it('answers in place of the service', async () => {
    const proxy = await start(() => ({ status: 503, headers: { 'retry-after': '3' }, body: 'busy' }));
    const answer = await fetch(proxy.url);
    expect([answer.status, answer.headers.get('retry-after'), await answer.text()]).toEqual([503, '3', 'busy']);
    expect(reached).toEqual([]);
  });

  it('cuts the connection before the service, or after it', async () => {
    const proxy = await start(({ path }) => (path === '/before' ? 'reset' : 'lose-reply'));
    await expect(fetch(`${proxy.url}/before`)).rejects.toThrow();
    expect(reached).toEqual([]);
    await expect(fetch(`${proxy.url}/after`, { method: 'POST', body: 'x' })).rejects.toThrow();
    expect(reached).toMatchObject([{ path: '/after', body: 'x' }]);
  });

  it('holds a request back until its rule lets go, and counts requests', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const proxy = await start(({ index }) => (index === 0 ? held.then(() => ({ delayMs: 1 })) : 'pass'));
    const first = fetch(`${proxy.url}/first`);
    while (proxy.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await (await fetch(`${proxy.url}/second`)).text();
    release();
    await (await first).text();
    expect(reached.map((request) => request.path)).toEqual(['/second', '/first']);
    expect(proxy.requests.map((request) => [request.index, request.path])).toEqual([
      [0, '/first'],
      [1, '/second'],
    ]);
  });

  it('cuts the connection when the service behind is gone, and what is open when it stops', async () => {
    const proxy = await startFaultProxy({ target: 'http://127.0.0.1:1', rule: () => 'pass' });
    await expect(fetch(proxy.url)).rejects.toThrow();
    await proxy.stop();
    const slow = await startFaultProxy({ target, rule: () => ({ delayMs: 60_000 }) });
    const waiting = expect(fetch(slow.url)).rejects.toThrow();
    while (slow.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await slow.stop();
    await waiting;
    await expect(fetch(slow.url)).rejects.toThrow();
  });
});
