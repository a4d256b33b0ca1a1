import { systemClock } from '../../lib/adapters/clock.js';
import { upstashRedis } from '../../lib/adapters/upstash-redis.js';
import { startRedisServer } from '../../lib/local/redis-server.js';
import { startUpstashRedis } from '../../lib/local/upstash-redis/index.js';
import { redisPortContract } from '../contracts/redis-port.js';

redisPortContract('Upstash adapter over the stand-in and a real redis-server', async () => {
  const server = await startRedisServer();
  const standIn = await startUpstashRedis({ redisUrl: server.url, token: 'contract-token' });
  return {
    redis: upstashRedis({ url: standIn.url, token: standIn.token, clock: systemClock() }),
    async close() {
      await standIn.stop();
      await server.stop();
    },
  };
});

const { UPSTASH_TEST_REDIS_REST_URL: url, UPSTASH_TEST_REDIS_REST_TOKEN: token } = process.env;
if (url !== undefined && token !== undefined) {
  redisPortContract('Upstash adapter over the real service', () =>
    Promise.resolve({
      redis: upstashRedis({ url, token, clock: systemClock() }),
      close: () => Promise.resolve(),
    }),
  );
}
