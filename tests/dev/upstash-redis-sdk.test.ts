import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from '@upstash/redis';
import { startRedisServer, type RedisServer } from '../../dev/redis-server.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';

/** The vendor's own client must find in the stand-in what it finds at Upstash. */
function conformance(
  name: string,
  open: () => Promise<{ url: string; token: string; close: () => Promise<void> }>,
): void {
  describe(`@upstash/redis against ${name}`, () => {
    const prefix = `conformance:${Date.now()}:`;
    const k = (suffix: string): string => prefix + suffix;
    let close: () => Promise<void>;
    let redis: Redis;
    let raw: Redis;
    let address: string;

    beforeAll(async () => {
      const opened = await open();
      close = opened.close;
      const { url, token } = opened;
      address = url;
      redis = new Redis({ url, token, enableTelemetry: false, retry: { retries: 0 } });
      raw = new Redis({ url, token, enableTelemetry: false, automaticDeserialization: false, responseEncoding: false });
    });
    afterAll(async () => {
      const keys = await redis.keys(`${prefix}*`);
      if (keys.length > 0) await redis.del(...keys);
      await close();
    });

    it('strings, with options and JSON values', async () => {
      expect(await redis.set(k('json'), { a: [1, 'ä'], n: null }, { ex: 100 })).toBe('OK');
      expect(await redis.get(k('json'))).toEqual({ a: [1, 'ä'], n: null });
      expect(await redis.ttl(k('json'))).toBeGreaterThan(0);
      expect(await redis.set(k('json'), 'x', { nx: true })).toBeNull();
      expect(await redis.set(k('ok'), 'OK')).toBe('OK');
      expect(await redis.mget(k('ok'), k('none'))).toEqual(['OK', null]);
      expect(await redis.get(k('ok'))).toBe('OK');
    });

    it('hashes, lists, sets, sorted sets and streams', async () => {
      expect(await redis.hset(k('hash'), { a: '1', b: 'OK' })).toBe(2);
      expect(await redis.hgetall(k('hash'))).toEqual({ a: 1, b: 'OK' });
      expect(await redis.rpush(k('list'), 'a', 'b')).toBe(2);
      expect(await redis.lrange(k('list'), 0, -1)).toEqual(['a', 'b']);
      expect(await redis.sadd(k('set'), 'x', 'x')).toBe(1);
      expect(await redis.smembers(k('set'))).toEqual(['x']);
      expect(await redis.zadd(k('zset'), { score: 1.5, member: 'm' })).toBe(1);
      expect(await redis.zrange(k('zset'), 0, -1, { withScores: true })).toEqual(['m', 1.5]);
      expect(await redis.xadd(k('stream'), '1-1', { f: 'v' })).toBe('1-1');
      expect(await redis.xrange(k('stream'), '-', '+')).toEqual({ '1-1': { f: 'v' } });
    });

    it('pipelines and transactions, with errors kept', async () => {
      await redis.set(k('text'), 'v');
      const results = await redis.pipeline().get(k('text')).lpush(k('text'), 'x').exec({ keepErrors: true });
      expect(results).toEqual([
        { result: 'v', error: undefined },
        { result: undefined, error: expect.stringMatching(/^WRONGTYPE/) },
      ]);
      expect(await redis.multi().incr(k('n')).incr(k('n')).exec()).toEqual([1, 2]);
    });

    it('scan with types', async () => {
      await redis.sadd(k('scan:set'), 'x');
      await redis.set(k('scan:string'), 'x');
      const found = new Map<string, string>();
      let cursor = '0';
      do {
        const [next, keys] = await redis.scan(cursor, { match: k('scan:*'), withType: true, count: 100 });
        for (const { key, type } of keys) found.set(key, type);
        cursor = next;
      } while (cursor !== '0');
      expect(found).toEqual(
        new Map([
          [k('scan:set'), 'set'],
          [k('scan:string'), 'string'],
        ]),
      );
    });

    it('scripts, and what a script returns', async () => {
      expect(await redis.eval('return {KEYS[1], ARGV[1], 7}', ['key'], ['arg'])).toEqual(['key', 'arg', 7]);
    });

    it('refused commands', async () => {
      await redis.set(k('text'), 'v');
      await expect(redis.lpush(k('text'), 'x')).rejects.toThrow(/WRONGTYPE /);
      await expect(redis.exec(['OBJECT', 'ENCODING', k('text')])).rejects.toThrow(/ERR /);
    });

    it('replies as plain text', async () => {
      await raw.set(k('plain'), 'ünïcode "quoted"\n');
      expect(await raw.get(k('plain'))).toBe('ünïcode "quoted"\n');
      expect(await raw.type(k('plain'))).toBe('string');
    });

    it('a wrong token', async () => {
      await expect(new Redis({ url: address, token: 'wrong', retry: { retries: 0 } }).ping()).rejects.toThrow(
        /^(Unauthorized|WRONGPASS)/,
      );
    });
  });
}

conformance('the stand-in', async () => {
  const server: RedisServer = await startRedisServer();
  const standIn: UpstashRedisStandIn = await startUpstashRedis({ redisUrl: server.url, token: 'token' });
  return {
    url: standIn.url,
    token: standIn.token,
    async close() {
      await standIn.stop();
      await server.stop();
    },
  };
});

const { UPSTASH_TEST_REDIS_REST_URL: url, UPSTASH_TEST_REDIS_REST_TOKEN: token } = process.env;
if (url !== undefined && token !== undefined) {
  conformance('the real service', () => Promise.resolve({ url, token, close: () => Promise.resolve() }));
}
