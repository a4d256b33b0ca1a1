import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import getPort from 'get-port';
import type { Redis } from 'ioredis';
import { startFaultProxy, type FaultAction, type ProxiedRequest } from '../../dev/fault-proxy.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import { openPlain } from '../support/plain-dump.js';

/** A real server with the stand-in of Upstash's REST protocol and a proxy before it. */
export interface HuntDatabase {
  /** Of the proxy: what the product is given. */
  readonly url: string;
  readonly token: string;
  /** The hunt's own connection, as a user that keeps all rights. */
  redis(): Redis;
  /** What happens to the product's next requests; null: they go through. */
  onRequest(rule: ((request: ProxiedRequest) => Promise<FaultAction>) | null): void;
  /** Ends the server and starts it over the same data: its hash seed is another. */
  restart(): Promise<void>;
  /** Empty, with all rights and no limit of memory. */
  reset(): Promise<void>;
  stop(): Promise<void>;
}

const OWN_USER = { username: 'hunt', password: 'hunt' };

export interface DatabaseOptions {
  readonly program: string;
  /** The name in the product's URL, which makes the source of a snapshot. */
  readonly host?: 'localhost' | '127.0.0.1';
  readonly requestLimitBytes?: number;
}

export async function startHuntDatabase(options: DatabaseOptions): Promise<HuntDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'hunt-redis-'));
  const port = await getPort({ host: '127.0.0.1' });
  let server = launch(options.program, port, folder);
  let redis = await ready(port, server);
  const standIn: UpstashRedisStandIn = await startUpstashRedis({
    redisUrl: `redis://127.0.0.1:${port}`,
    token: 'hunt-token',
    ...(options.requestLimitBytes === undefined ? {} : { requestLimitBytes: options.requestLimitBytes }),
  });
  let rule: ((request: ProxiedRequest) => Promise<FaultAction>) | null = null;
  const proxy = await startFaultProxy({
    target: standIn.url,
    rule: (request) => (rule === null ? 'pass' : rule(request)),
  });
  return {
    url: proxy.url.replace('127.0.0.1', options.host ?? '127.0.0.1'),
    token: 'hunt-token',
    redis: () => redis,
    onRequest: (next) => void (rule = next),
    async restart() {
      const gone = once(server, 'exit');
      await redis.call('SHUTDOWN', 'SAVE').catch(() => undefined);
      redis.disconnect();
      await gone;
      server = launch(options.program, port, folder);
      redis = await ready(port, server);
      // The stand-in's own connections come back by themselves.
      for (let tries = 0; tries < 100 && !(await answers(standIn.url)); tries++) await delay(30);
    },
    async reset() {
      rule = null;
      await redis.call('CONFIG', 'SET', 'maxmemory', '0');
      await redis.call('ACL', 'SETUSER', 'default', 'on', 'nopass', '~*', '&*', '+@all');
      await redis.flushall();
    },
    async stop() {
      await proxy.stop();
      await standIn.stop();
      redis.disconnect();
      server.kill('SIGKILL');
      await once(server, 'exit').catch(() => undefined);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function launch(program: string, port: number, folder: string): ChildProcess {
  const options = {
    port: String(port),
    bind: '127.0.0.1',
    dir: folder,
    save: '',
    appendonly: 'no',
    'maxmemory-policy': 'noeviction',
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  // The kernel ends the server with us, however we end.
  return spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], { stdio: 'ignore' });
}

async function ready(port: number, server: ChildProcess): Promise<Redis> {
  while (server.exitCode === null) {
    const plain = openPlain(`redis://127.0.0.1:${port}`);
    const made = await plain.call('ACL', 'SETUSER', 'hunt', 'on', '>hunt', '~*', '&*', '+@all').catch(() => null);
    plain.disconnect();
    if (made !== null) return openPlain(`redis://127.0.0.1:${port}`, OWN_USER);
    await delay(20);
  }
  throw new Error('the server ended before it answered');
}

async function answers(url: string): Promise<boolean> {
  const headers = { authorization: 'Bearer hunt-token' };
  const answer = await fetch(`${url}/ping`, { headers }).catch(() => null);
  return answer !== null && (await answer.text()).includes('PONG');
}
