import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis, upstashSdk } from '../../lib/services/upstash-redis/redis.js';
import { startRedisServer, type RedisServer } from '../../dev/redis-server.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import type { RedisPort } from '../../lib/ports/redis.js';

let server: RedisServer;
let standIn: UpstashRedisStandIn;
let port: RedisPort;

beforeAll(async () => {
  server = await startRedisServer();
  standIn = await startUpstashRedis({ redisUrl: server.url, token: 'sdk-token' });
  port = upstashRedis({ url: standIn.url, token: 'sdk-token', clock: systemClock() });
});
afterAll(async () => {
  await standIn.stop();
  await server.stop();
});

describe('upstashSdk', () => {
  it('runs the typed commands and parses nothing as JSON', async () => {
    const sdk = upstashSdk(port);
    expect(await sdk.ping()).toBe('PONG');
    expect(await sdk.set('number', '0123')).toBe('OK');
    expect(await sdk.get('number')).toBe('0123');
    expect(await sdk.set('json', { a: true })).toBe('OK');
    expect(await sdk.mget('json', 'number', 'none')).toEqual(['{"a":true}', '0123', null]);
    expect(await sdk.dbsize()).toBe(2);
  });

  it('sends one request a call: no auto-pipelining, no telemetry', async () => {
    const [requests, commands] = [standIn.requestCount(), standIn.commandCount()];
    const sdk = upstashSdk(port);
    await Promise.all([sdk.get('a'), sdk.get('b'), sdk.get('c')]);
    expect(standIn.requestCount() - requests).toBe(3);
    expect(standIn.commandCount() - commands).toBe(3);
  });

  it('carries pipelines and transactions, with an error for each command that failed', async () => {
    const sdk = upstashSdk(port);
    const replies = await sdk.multi().set('text', 'OK').lpush('text', 'x').get('text').exec({ keepErrors: true });
    expect(replies).toEqual([
      { result: 'OK' },
      { error: expect.stringMatching(/^WRONGTYPE/), result: undefined },
      { result: 'OK' },
    ]);
    expect(await sdk.pipeline().rpush('list', 'OK', '\ufeffx').lrange('list', 0, -1).exec()).toEqual([
      2,
      ['OK', '\ufeffx'],
    ]);
  });

  it('fails with our error, which quotes nothing', async () => {
    const sdk = upstashSdk(port);
    await sdk.set('text', 'v');
    await expect(sdk.lpush('text', 'secret-value')).rejects.toMatchObject({
      code: 'redis-command',
      message: expect.not.stringContaining('secret'),
    });
  });

  it('goes through the usage of the port', async () => {
    const before = port.usage().commands;
    await upstashSdk(port).ping();
    expect(port.usage().commands - before).toBe(1);
  });
});
