import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { startRedisServer, type RedisServer } from '../../dev/redis-server.js';

const running: RedisServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.kill()));
});

async function start(...args: Parameters<typeof startRedisServer>): Promise<RedisServer> {
  const server = await startRedisServer(...args);
  running.push(server);
  return server;
}

async function withClient<T>(server: RedisServer, run: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(server.url, { protocol: 2 });
  try {
    return await run(client);
  } finally {
    client.disconnect();
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).finally(() => socket.destroy()) as Promise<boolean>;
}

describe('startRedisServer', () => {
  it('answers on loopback, with the pid that it says', async () => {
    const server = await start();
    const info = await withClient(server, (client) => client.info('server'));
    expect(info).toContain(`process_id:${server.pid}\r\n`);
    expect(info).toContain(`tcp_port:${server.port}\r\n`);
    expect(server.url).toBe(`redis://127.0.0.1:${server.port}`);
  });

  it('ends, and leaves no folder', async () => {
    const server = await start({ args: ['--maxmemory', '64mb'] });
    const settings = await withClient(server, async (client) => [
      await client.config('GET', 'dir'),
      await client.config('GET', 'maxmemory'),
    ]);
    const folder = String(settings[0]?.[1]);
    expect(settings[1]).toEqual(['maxmemory', String(64 * 1024 * 1024)]);
    expect(await readdir(folder)).toContain('redis.log');
    await server.stop();
    expect(isAlive(server.pid)).toBe(false);
    expect(await accepts(server.port)).toBe(false);
    await expect(readdir(folder)).rejects.toThrow('ENOENT');
    await server.stop();
  });

  it('keeps the data of a folder over a stop, and leaves the folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'redis-server-test-'));
    try {
      const first = await start({ folder });
      await withClient(first, (client) => client.set('kept', 'yes'));
      await first.stop();
      const second = await start({ folder });
      expect(await withClient(second, (client) => client.get('kept'))).toBe('yes');
      await second.stop();
      expect(await readdir(folder)).not.toEqual([]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('starts several at a time', async () => {
    const servers = await Promise.all([start(), start(), start()]);
    expect(new Set(servers.map(({ port }) => port)).size).toBe(3);
  });

  it('says why it cannot start', async () => {
    await expect(startRedisServer({ args: ['--no-such-option', 'x'] })).rejects.toMatchObject({ code: 'config' });
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)('does not outlive a process that %s ends', async (signal) => {
    const folder = await mkdtemp(join(tmpdir(), 'redis-server-test-'));
    const module = new URL('../../dist/dev/redis-server.js', import.meta.url).href;
    const code = `const { startRedisServer } = await import('${module}');
      console.log((await startRedisServer()).port);
      setInterval(() => undefined, 1000);`;
    const owner = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: folder },
    });
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    const port = Number(line.toString());
    expect(await accepts(port)).toBe(true);
    owner.kill(signal);
    await once(owner, 'exit');
    while (await accepts(port)) await new Promise((resolve) => setTimeout(resolve, 20));
    await rm(folder, { recursive: true, force: true });
  });

  it('cleans up after a process that ends without stopping it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'redis-server-test-'));
    const module = new URL('../../dist/dev/redis-server.js', import.meta.url).href;
    const code = `const { startRedisServer } = await import('${module}');
      console.log((await startRedisServer()).port);`;
    const owner = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: folder },
    });
    const [[line], [status]] = (await Promise.all([once(owner.stdout, 'data'), once(owner, 'exit')])) as [
      [Buffer],
      [number],
    ];
    expect(status).toBe(0);
    while (await accepts(Number(line.toString()))) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true, force: true });
  });
});
