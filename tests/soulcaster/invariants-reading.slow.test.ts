import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import { loadWorkspace } from '../../dev/data/index.js';
import type { RedisCommand, RedisPort } from '../../lib/ports/redis.js';
import { checkProject } from '../../lib/soulcaster/invariants.js';
import { startChecked, type Checked } from './checked-database.js';

const ITEMS = 2300;

let checked: Checked;
let project: string;

beforeAll(async () => {
  checked = await startChecked();
  const { redis, redisUrl } = checked;
  await loadWorkspace({ redisUrl, projects: 1, items: ITEMS, seed: 3, unclustered: 0.6 });
  project = ((await redis.keys('project:*'))[0] ?? '').slice('project:'.length);
});
afterAll(() => checked.stop());

/** A port that reports each batch of commands. */
function observed(redis: RedisPort, onBatch: (batch: readonly RedisCommand[]) => void): RedisPort {
  return {
    ...redis,
    pipeline(commands) {
      onBatch(commands);
      return redis.pipeline(commands);
    },
  };
}

describe('how checkProject reads', () => {
  it('reads collections of many pages', async () => {
    const { redis } = checked;
    expect(await redis.scard(`feedback:unclustered:${project}`)).toBeGreaterThan(1000);
    const report = await checkProject(checked.port, project);
    expect(report).toMatchObject({ feedback: ITEMS, loads: true, violations: [] });
    const [, last = ''] = await redis.zrange(`feedback:created:${project}`, '-2', '-1');
    await redis.sadd(`feedback:unclustered:${project}`, 'lost');
    await redis.del(`feedback:${project}:${last}`);
    const { violations } = await checkProject(checked.port, project);
    expect(violations.map(({ rule, examples }) => [rule, examples])).toEqual([
      ['created-without-hash', [last]],
      ['unclustered-without-created', ['lost']],
    ]);
  });

  it('requests smaller pieces when a reply is too large', async () => {
    const whole = await checkProject(checked.port, project);
    for (const bytes of [100_000, 2_000]) expect(await checkProject(checked.narrow(bytes), project)).toEqual(whole);
    await expect(checkProject(checked.narrow(120), project)).rejects.toMatchObject({ code: 'redis-reply-too-large' });
  });

  it('sends at most 500 commands per request, writes nothing, and does not scan the database', async () => {
    const names = new Set<string>();
    let most = 0;
    const seen = observed(checked.port, (batch) => {
      most = Math.max(most, batch.length);
      for (const [name] of batch) names.add(name);
    });
    await checkProject(seen, project);
    expect(most).toBeLessThanOrEqual(500);
    const reads = ['EXISTS', 'HEXISTS', 'HMGET', 'MGET', 'SISMEMBER', 'SSCAN', 'ZRANGE'];
    expect([...names].filter((name) => !reads.includes(name))).toEqual([]);
  });

  it('takes at most three commands per item and four per cluster', async () => {
    const before = checked.port.usage().commands;
    const { clusters } = await checkProject(checked.port, project);
    const spent = checked.port.usage().commands - before;
    const jobs = (await checked.redis.keys('cluster:jobs:*')).length * 2;
    expect(spent).toBeLessThan(3 * ITEMS + 4 * clusters + jobs + 100);
  });

  it("throws when Redis refuses a command, without quoting Redis's message", async () => {
    const refusing: RedisPort = {
      ...checked.port,
      pipeline: (commands) => Promise.resolve(commands.map(() => ({ error: 'NOPERM secret value' }))),
    };
    const error: unknown = await checkProject(refusing, project).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: 'redis-command', message: 'Redis refused HMGET: NOPERM' });
    expect(JSON.stringify(error)).not.toContain('secret');
  });
});
