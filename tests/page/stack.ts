import getPort from 'get-port';
import type { Redis } from 'ioredis';
import type { StackOptions } from '../../dev/stack/index.js';
import { startFaultProxy } from '../../dev/fault-proxy.js';
import { nightlyStack, type NightlyStack } from '../e2e/nightly-stack.js';
import { openDatabase } from '../support/redis-calls.js';
import { HOSTILE } from './fixtures.js';

/** The whole local stack, as the page meets it. */
export interface PageStack extends NightlyStack {
  readonly url: string;
  readonly token: string;
  /** The database itself, over TCP. */
  readonly redis: Redis;
  /** From now on each request to the database takes so much longer: what happens can then be watched. */
  slowDown(milliseconds: number): void;
  stop(): Promise<void>;
}

export async function pageStack(options: Omit<StackOptions, 'root'> = {}): Promise<PageStack> {
  const port = await getPort({ host: '127.0.0.1' });
  let delayMs = 0;
  const proxy = await startFaultProxy({ target: `http://127.0.0.1:${port}`, rule: () => ({ delayMs }) });
  const nightly = await nightlyStack(
    { items: 80, mixed: 300 },
    {
      ...options,
      ports: { redis: port },
      functions: { onLog: () => undefined },
      variables: { UPSTASH_REDIS_REST_URL: proxy.url, BACKUP_PART_MIB: '0.08', ...options.variables },
    },
  );
  const { stack } = nightly;
  const redis = openDatabase(stack.urls.redis);
  await addHostileProject(redis);
  return {
    ...nightly,
    url: stack.urls.functions,
    token: stack.env['ADMIN_TOKEN'] ?? '',
    redis,
    slowDown: (milliseconds) => void (delayMs = milliseconds),
    async stop() {
      redis.disconnect();
      await stack.stop();
      await proxy.stop();
    },
  };
}

/** A project whose id would be run as script if it were ever taken for HTML. */
async function addHostileProject(redis: Redis): Promise<void> {
  await redis.hset(`project:${HOSTILE}`, { id: HOSTILE, name: HOSTILE });
  await redis.zadd(`feedback:created:${HOSTILE}`, 1, 'item-1');
  await redis.hset(`feedback:${HOSTILE}:item-1`, { id: 'item-1', title: HOSTILE, body: 'It is only text' });
}
