import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import { ACL_COMMAND } from '../../lib/setup/bucket.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';
import { cliJson } from './fixture.js';

let database: TestDatabase;
let reader: UpstashRedisStandIn;
let standard: UpstashRedisStandIn;
beforeAll(async () => {
  database = await startTestDatabase();
  const [, ...rest] = ACL_COMMAND.replace('PASSWORD', 'secret-word').split(' ');
  // COMMAND is for the stand-in alone.
  await database.redis.call('ACL', ...rest, '+command');
  await database.redis.set('key', 'value');
  const asReader = `${database.url}?username=soulcaster-backup&password=secret-word`;
  reader = await startUpstashRedis({ redisUrl: asReader, token: 'token-of-the-reader' });
  standard = await startUpstashRedis({ redisUrl: database.url, token: 'token-of-everybody' });
});
afterAll(async () => {
  await Promise.all([reader.stop(), standard.stop()]);
  await database.stop();
});

const initAcl = async ({ token, url }: UpstashRedisStandIn) => {
  const env = { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token };
  const { code, json } = await cliJson(['init', '--acl'], env);
  const checks = json['checks'] as { name: string; status: string }[];
  return { code, failed: json['failed'], write: checks.find(({ name }) => name === 'may-not-write')?.status };
};

describe('init --acl', () => {
  it('passes for a user created by the command that it prints: reads allowed, writes refused', async () => {
    expect(await initAcl(reader)).toEqual({ code: 0, failed: 0, write: 'ok' });
  });

  it('warns that the standard token may write, and removes its probe key', async () => {
    expect(await initAcl(standard)).toEqual({ code: 0, failed: 0, write: 'warn' });
    expect(await database.redis.keys('*')).toEqual(['key']);
  });
});
