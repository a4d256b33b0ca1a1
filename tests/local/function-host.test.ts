import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { startFunctionHost } from '../../lib/local/function-host/index.js';
import type { FunctionHost, FunctionHostOptions } from '../../lib/local/function-host/index.js';

const root = join(import.meta.dirname, 'fixtures/functions');
const opened: FunctionHost[] = [];
let folder: string;

async function open(options: Partial<FunctionHostOptions> = {}): Promise<FunctionHost> {
  const host = await startFunctionHost({ root, functionsDir: 'api', env: {}, onLog: () => undefined, ...options });
  opened.push(host);
  return host;
}

/** Whether the process runs; one that is over and merely not yet reaped by its new parent does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Waits until the processes are gone; a test that waits in vain fails by its timeout. */
async function gone(...pids: number[]): Promise<void> {
  while (pids.some(isAlive)) await pause(10);
}

const json = async (response: Response): Promise<Record<string, unknown>> =>
  (await response.json()) as Record<string, unknown>;

beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'function-host-'))));
afterEach(() => Promise.all(opened.splice(0).map((host) => host.stop())));
afterAll(() => rm(folder, { recursive: true }));

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

  it('are refused over 4.5 MB', async () => {
    const host = await open();
    const most = 4.5 * 1024 * 1024;
    const send = (bytes: number) => fetch(`${host.url}/api/echo`, { method: 'POST', body: Buffer.alloc(bytes) });
    expect((await send(most)).status).toBe(201);
    expect((await send(most + 1)).status).toBe(413);
  });

  it('that break off leave the host at work', async () => {
    const host = await open();
    const socket = createConnection(Number(new URL(host.url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write('POST /api/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf');
    await pause(20);
    socket.destroy();
    expect((await fetch(`${host.url}/api/env`)).status).toBe(200);
  });
});

describe('a function in the function host', () => {
  it('sees the given environment and nothing else of ours', async () => {
    process.env.FUNCTION_HOST_TEST_SECRET = 'not for functions';
    const { env } = await json(await fetch(`${(await open({ env: { ONLY: 'this' } })).url}/api/env`));
    Reflect.deleteProperty(process.env, 'FUNCTION_HOST_TEST_SECRET');
    expect(env).toEqual({ PATH: expect.any(String), HOME: expect.any(String), TZ: 'UTC', ONLY: 'this' });
  });

  it('runs in an instance that is used again', async () => {
    const host = await open();
    const one = await json(await fetch(`${host.url}/api/env`));
    const two = await json(await fetch(`${host.url}/api/env`));
    expect(two).toMatchObject({ pid: one.pid, calls: 2 });
    expect(one.pid).not.toBe(host.pid);
  });

  it('runs beside others, up to the most instances', async () => {
    const host = await open({ maxInstances: 2 });
    const calls = Array.from({ length: 5 }, () => fetch(`${host.url}/api/slow?ticks=20`).then(json));
    expect(new Set((await Promise.all(calls)).map(({ pid }) => pid)).size).toBe(2);
  });

  it('logs with its name in front', async () => {
    const lines: string[] = [];
    const host = await open({ onLog: (line) => void lines.push(line) });
    await fetch(`${host.url}/api/echo`);
    while (!lines.includes('[api/echo] echo was called')) await pause(5);
    expect((await fetch(`${host.url}/api/broken`)).status).toBe(500);
    while (!lines.some((line) => line.startsWith('[api/broken] Error: broken on purpose'))) await pause(5);
  });

  it('that throws, ends its process or cannot be loaded is answered for with 500', async () => {
    const host = await open();
    const answers = [
      await fetch(`${host.url}/api/broken`),
      await fetch(`${host.url}/api/broken`, { method: 'POST' }),
      await fetch(`${host.url}/api/unloadable`),
    ];
    expect(answers.map(({ status }) => status)).toEqual([500, 500, 500]);
    expect(answers.map(({ headers }) => headers.get('x-vercel-error'))).toEqual(
      Array(3).fill('FUNCTION_INVOCATION_FAILED'),
    );
    expect((await fetch(`${host.url}/api/env`)).status).toBe(200);
  });

  it.each(['', '&busy'])('is killed at its limit and really stops (ticks=1000%s)', async (more) => {
    const file = join(folder, `dots${more}`);
    await writeFile(file, '');
    const host = await open({ limitSeconds: 0.2 });
    const ticks = more === '' ? 1000 : 3;
    const response = await fetch(`${host.url}/api/slow?ticks=${ticks}&file=${encodeURIComponent(file)}${more}`);
    expect(response.status).toBe(504);
    expect(await response.text()).toContain('FUNCTION_INVOCATION_TIMEOUT');
    await pause(50);
    const { length } = await readFile(file);
    await pause(100);
    expect(await readFile(file)).toHaveLength(length);
    expect(length).toBeGreaterThan(0);
    expect((await fetch(`${host.url}/api/env`)).status).toBe(200);
  });

  it('has the limit that vercel.json sets for it', async () => {
    const host = await open();
    expect((await fetch(`${host.url}/api/slow?ticks=500`)).status).toBe(504);
  });
});

describe('faults of the function host', () => {
  it('kill an instance in the middle of an invocation', async () => {
    const kills = [30, null];
    const host = await open({ killAfterMs: ({ name }) => (name === 'api/slow' ? (kills.shift() ?? null) : null) });
    const file = join(folder, 'killed');
    const path = `/api/slow?ticks=50&file=${encodeURIComponent(file)}`;
    expect((await fetch(`${host.url}${path}`)).status).toBe(502);
    expect((await readFile(file)).length).toBeLessThan(50);
    expect((await fetch(`${host.url}${path}`)).status).toBe(200);
  });

  it('kill all instances at once', async () => {
    const host = await open();
    const running = [1, 2].map(() => fetch(`${host.url}/api/slow?busy`));
    let killed = 0;
    while (killed < 2) {
      await pause(100);
      killed += await host.killAll();
    }
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([502, 502]);
    expect((await fetch(`${host.url}/api/env`)).status).toBe(200);
  });

  it('kill the host and every instance', async () => {
    const host = await open();
    const { pid } = await json(await fetch(`${host.url}/api/env`));
    await host.kill();
    await gone(host.pid, pid as number);
    await expect(fetch(host.url)).rejects.toThrow();
  });
});

describe('crons of the function host', () => {
  it('are called as Vercel does', async () => {
    const host = await open({ env: { CRON_SECRET: 'cron-secret' } });
    expect(await json(await host.fireCron('/api/cron/tick'))).toEqual({
      authorization: 'Bearer cron-secret',
      agent: 'vercel-cron/1.0',
    });
  });

  it('carry no authorisation when there is no secret', async () => {
    expect(await json(await (await open()).fireCron('/api/cron/tick'))).toMatchObject({ authorization: null });
  });

  it('are those of vercel.json only', async () => {
    await expect((await open()).fireCron('/api/echo')).rejects.toThrow('no cron');
  });
});

describe('the end of the function host', () => {
  it('leaves no process behind', async () => {
    const host = await open();
    const { pid } = await json(await fetch(`${host.url}/api/env`));
    await host.stop();
    await gone(host.pid, pid as number);
    await host.stop();
  });

  it('comes with the end of its parent', async () => {
    const script = `
      import { startFunctionHost } from ${JSON.stringify(join(root, '../../../../dist/lib/local/function-host/index.js'))};
      const host = await startFunctionHost({ root: ${JSON.stringify(root)}, functionsDir: 'api', env: {} });
      const { pid } = await (await fetch(host.url + '/api/env')).json();
      console.log(JSON.stringify([host.pid, pid]));`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(createInterface(parent.stdout), 'line')) as [string];
    parent.kill('SIGKILL');
    await gone(...(JSON.parse(line) as number[]));
  });

  it('before its start is told when the port is taken or there are no functions', async () => {
    const host = await open();
    await expect(open({ port: Number(new URL(host.url).port) })).rejects.toThrow('EADDRINUSE');
    await expect(open({ functionsDir: 'none' })).rejects.toThrow('ENOENT');
  });
});
