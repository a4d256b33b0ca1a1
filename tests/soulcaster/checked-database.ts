import { Redis } from 'ioredis';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { startRedisServer } from '../../dev/redis-server.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import type { RedisPort } from '../../lib/ports/redis.js';

export interface Checked {
  readonly redisUrl: string;
  /** For writing and breaking the data. */
  readonly redis: Redis;
  /** The port through which the product reads. */
  readonly port: RedisPort;
  /** Another client with a limit in bytes for its replies. */
  narrow(maxReplyBytes: number): RedisPort;
  stop(): Promise<void>;
}

/** A real redis-server behind the stand-in for Upstash's REST protocol. */
export async function startChecked(): Promise<Checked> {
  const server = await startRedisServer();
  const standIn = await startUpstashRedis({ redisUrl: server.url, token: 'token' });
  const redis = new Redis(server.url, { protocol: 2 });
  const client = { url: standIn.url, token: standIn.token, clock: systemClock() };
  return {
    redisUrl: server.url,
    redis,
    port: upstashRedis(client),
    narrow: (maxReplyBytes) => upstashRedis({ ...client, maxReplyBytes }),
    async stop() {
      redis.disconnect();
      await standIn.stop();
      await server.stop();
    },
  };
}
