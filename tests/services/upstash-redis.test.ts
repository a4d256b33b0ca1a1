import { expect, it } from '@jest/globals';
import { protectedDatabase } from '../../lib/app/connect/database.js';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { startRedisServer } from '../../dev/redis-server.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { redisPortContract } from '../contracts/redis-port.js';

it('tells databases behind one host by the path of their URL', () => {
  const nameOf = (url: string): string => upstashRedis({ url, token: 'token', clock: systemClock() }).host;
  const sourceOf = (url: string): string | null => protectedDatabase({ UPSTASH_REDIS_REST_URL: url }).source;
  expect(['/a/', '/b', '/', ''].map((path) => nameOf(`https://db.example${path}`))).toEqual([
    'db.example/a',
    'db.example/b',
    'db.example',
    'db.example',
  ]);
  const sources = ['/a', '/a/', '/b', '', '/'].map((path) => sourceOf(`https://db.example${path}`));
  expect([sources[0] === sources[1], sources[3] === sources[4], new Set(sources).size]).toEqual([true, true, 3]);
});

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
