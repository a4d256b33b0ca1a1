import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { closeHosts, json, open } from './fixtures/hosts.js';

afterEach(closeHosts);

describe('requests to the function host', () => {
  it('reach the function of their path and method, with body and headers', async () => {
    const host = await open();
    const bytes = Buffer.from([0, 255, 128, 10, 13]);
    const response = await fetch(`${host.url}/api/echo?a=1`, { method: 'POST', body: bytes });
    expect(response.status).toBe(201);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes);
    expect(response.headers.get('x-echo')).toBe('yes');
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    const got = await json(await fetch(`${host.url}/api/echo?a=1&b=%2F`, { headers: { 'x-mine': 'é' } }));
    expect(got).toMatchObject({ prefix: 'shared', url: `${host.url}/api/echo?a=1&b=%2F`, headers: { 'x-mine': 'é' } });
  });

  it.each([
    ['/api/runs/abc', { route: 'id', url: '/api/runs/abc', id: 'abc' }],
    ['/api/runs/a%20b?id=other', { route: 'id', url: '/api/runs/a%20b', id: 'a b' }],
    ['/api/runs/latest', { route: 'latest' }],
    ['/api/runs', { route: 'index' }],
  ])('%s go to the file that fits best', async (path, expected) => {
    const host = await open();
    expect(await json(await fetch(`${host.url}${path}`))).toEqual(expected);
  });

  it.each(['/api/_lib/prefix', '/api/none', '/api/runs/a/b', '/none.html', '/api/echo.js'])(
    '%s get 404 as a problem',
    async (path) => {
      const response = await fetch(`${(await open()).url}${path}`);
      expect(response.status).toBe(404);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
    },
  );

  it('get 405 with the methods there are', async () => {
    const response = await fetch(`${(await open()).url}/api/echo`, { method: 'DELETE' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD, POST');
  });

  it('by HEAD are answered by GET without a body', async () => {
    const response = await fetch(`${(await open()).url}/api/echo`, { method: 'HEAD' });
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(response.headers.get('content-type')).toBe('application/json');
  });

  it('get static files, and nothing outside of public', async () => {
    const host = await open();
    const page = await fetch(`${host.url}/`);
    expect([page.headers.get('content-type'), await page.text()]).toEqual([
      'text/html; charset=utf-8',
      expect.stringContaining('fixture'),
    ]);
    expect(await (await fetch(`${host.url}/robots.txt`)).text()).toBe('hello\n');
    for (const path of ['/..%2fvercel.json', '/%2e%2e/vercel.json', '/a/..%2f..%2fvercel.json', '/%00', '/%']) {
      expect((await fetch(`${host.url}${path}`)).status).toBe(404);
    }
    expect((await fetch(`${host.url}/robots.txt`, { method: 'POST' })).status).toBe(405);
  });

  it('are answered with the headers of vercel.json, which change none that an answer has', async () => {
    const host = await open();
    const of = async (path: string): Promise<(string | null)[]> => {
      const { headers } = await fetch(host.url + path);
      return ['content-type', 'x-everywhere', 'x-robots'].map((name) => headers.get(name));
    };
    expect(await of('/robots.txt?a=1')).toEqual(['text/plain; charset=utf-8', 'yes', 'yes']);
    expect(await of('/api/echo')).toEqual(['application/json', 'yes', null]);
    expect(await of('/nothing')).toEqual(['application/problem+json', 'yes', null]);
  });

  it('are refused over 4.5 MB', async () => {
    const host = await open();
    const most = 4.5 * 1024 * 1024;
    const send = (bytes: number) => fetch(`${host.url}/api/echo`, { method: 'POST', body: Buffer.alloc(bytes) });
    expect((await send(most)).status).toBe(201);
    expect((await send(most + 1)).status).toBe(413);
  });

  it('that break off leave the host running', async () => {
    const host = await open();
    const socket = createConnection(Number(new URL(host.url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write('POST /api/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf');
    await pause(20);
    socket.destroy();
    expect((await fetch(`${host.url}/api/env`)).status).toBe(200);
  });
});
