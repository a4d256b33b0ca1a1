import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { openDatabase } from './redis-calls.js';

export interface TestDatabase {
  /** What ioredis connects to: a socket in the database's own folder, so that no two suites meet. */
  readonly url: string;
  readonly redis: Redis;
  /**
   * Ends the server process and starts another with the same data at the same place: SCAN's cursors are worth nothing to
   * it, since it has another hash seed. `redis` stays usable.
   */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** A server of one's own, empty and without a file. `program`: that of a TestEngine, default Debian's redis-server. */
export async function startTestDatabase(program = 'redis-server'): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'redis-'));
  const url = join(folder, 'redis.sock');
  const options = { port: '0', unixsocket: url, dir: folder, save: '', appendonly: 'no' };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const launch = async () => {
    const server = spawn(program, args, { stdio: 'ignore' });
    const ended = once(server, 'exit');
    const redis = await connected(url, () => server.exitCode === null);
    return { redis, kill: () => (server.kill('SIGKILL'), ended) };
  };
  let running = await launch();
  return {
    url,
    get redis() {
      return running.redis;
    },
    async restart() {
      await running.redis.save();
      running.redis.disconnect();
      await running.kill();
      running = await launch();
    },
    async stop() {
      running.redis.disconnect();
      await running.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Notes all that the database holds; what is returned makes it that again, which costs less than to load it once more. */
export async function keep(redis: Redis): Promise<() => Promise<void>> {
  const names = await redis.keysBuffer('*');
  const noted = await Promise.all(
    names.map(async (key) => {
      const [value, expiresAt] = await Promise.all([redis.dumpBuffer(key), redis.pexpiretime(key)]);
      return [key, String(Math.max(0, expiresAt)), value] as const;
    }),
  );
  return async () => {
    await redis.flushall();
    await Promise.all(noted.map((values) => redis.call('RESTORE', ...values, 'ABSTTL')));
  };
}

async function connected(url: string, isRunning: () => boolean): Promise<Redis> {
  while (isRunning()) {
    const redis = openDatabase(url);
    const answer = await redis.ping().catch(() => null);
    // A connection that failed is over by itself; to end it again would leave a timer behind.
    if (answer !== null) return redis;
    await delay(20);
  }
  throw new Error('redis-server ended before it answered');
}
