import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import { fullApp } from '../../lib/app/app.js';
import { silentLog } from '../../lib/app/in-process.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

describe('BACKUP_COMMANDS_PER_SECOND', () => {
  let database: TestDatabase;
  let standIn: UpstashRedisStandIn;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soulcaster-share-'));
    database = await startTestDatabase();
    standIn = await startUpstashRedis({ redisUrl: database.url, token: 'test' });
    const batch = database.redis.pipeline();
    for (let at = 0; at < 1_000; at++) batch.set(`k:${at}`, 'v');
    await batch.exec();
  });
  afterAll(async () => {
    await standIn.stop();
    await database.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('limits the commands of a snapshot, and the result reports the rate', async () => {
    const env = {
      UPSTASH_REDIS_REST_URL: standIn.url,
      UPSTASH_REDIS_REST_TOKEN: standIn.token,
      BACKUP_STORE: pathToFileURL(join(folder, 'store')).href,
      BACKUP_COMMANDS_PER_SECOND: '400',
    };
    const app = fullApp(env, { log: silentLog() });
    const started = await startSnapshot(app.engine, 'cli');
    if (!started.started) throw new Error('held');
    const budget = { deadline: Infinity, lastAttempt: true, interrupt: new AbortController().signal };
    const run = await app.work(started.run.id, budget);
    const { commands, commandsPerSecond } = run.result as { commands: number; commandsPerSecond: number };
    expect(run.state).toBe('succeeded');
    expect(commands).toBeGreaterThan(1_000);
    // After the last request there is nothing to wait for.
    expect(commandsPerSecond).toBeLessThan(600);
  });
});
