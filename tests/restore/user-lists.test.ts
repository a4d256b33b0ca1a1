import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RedisCommand } from '../../lib/ports/redis.js';
import { intercept } from '../snapshot/intercept.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

describe('the list of projects of a user, and the lock of a project', () => {
  let bench: RestoreBench;
  let snapshot = '';
  beforeAll(async () => {
    bench = await openRestoreBench();
    const { redis } = bench.database;
    await redis.hset('project:p', { id: 'p', user_id: 'u' });
    await redis.sadd('user:projects:u', 'p');
    snapshot = (await bench.snapshot()).id;
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    await bench.database.redis.del('user:projects:u');
    await bench.database.redis.sadd('user:projects:u', 'another');
  });

  const restore = (ask = {}, parts = {}) => bench.restore(snapshot, { scope: { project: 'p' }, ...ask }, parts);
  /** A database that refuses one command for the keys of a kind. */
  const refusing = (name: string, prefix: string, error: string) => {
    const isRefused = ([command, key]: RedisCommand): boolean => command === name && String(key).startsWith(prefix);
    return intercept(bench.port, {
      after: (commands, replies) =>
        replies.map((reply, at) => (isRefused(commands[at] as RedisCommand) ? { error } : reply)),
    });
  };

  it('is named where it is of another type', async () => {
    await bench.database.redis.del('user:projects:u');
    await bench.database.redis.set('user:projects:u', 'a string');
    const run = await restore({ dryRun: true });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'redis-command' } });
    expect(run.error?.message).toBe('A user\'s set of projects is not a set in the target, for key "user:projects:u"');
  });

  it.each([
    ['ERR DB capacity quota exceeded', 'refused SADD: ERR, for key "user:projects:u"', 'The target is full'],
    ["NOPERM this user has no permissions to run the 'sadd' command", 'refused SADD: NOPERM', 'supports the command'],
  ])('is not taken for one of another type where the database says %s', async (error, message, hint) => {
    const run = await restore({}, { redis: refusing('SADD', 'user:projects:', error) });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'redis-command' } });
    expect(run.error?.message).toContain(message);
    expect(run.error?.hint).toContain(hint);
    expect(run.error?.hint).not.toContain('remove it');
  });

  it('is completed where a database whose quota is used up gives no lock, as one without memory gives none', async () => {
    for (const error of ['ERR DB capacity quota exceeded', 'OOM command not allowed']) {
      const run = await restore({}, { redis: refusing('SET', 'cluster:lock:', error) });
      expect(run).toMatchObject({ state: 'succeeded', error: null });
    }
  });

  it('says what a database refused that gives no lock', async () => {
    const redis = refusing('SET', 'cluster:lock:', "READONLY You can't write against a read only replica.");
    const run = await restore({}, { redis });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'redis-command' } });
    expect(run.error?.message).toBe("Redis refused to set, check or release a project's lock: READONLY");
  });
});
