import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadWorkspace } from '../../dev/data/index.js';
import type { RedisPort } from '../../lib/ports/redis.js';
import { findUnlisted } from '../../lib/soulcaster/invariants/unlisted.js';
import { classifyKey, type ClassifiedKey } from '../../lib/soulcaster/keys.js';
import { startChecked, type Checked } from './checked-database.js';

const ITEMS = 400;

let checked: Checked;
let project: string;

beforeAll(async () => {
  checked = await startChecked();
  await loadWorkspace({ redisUrl: checked.redisUrl, projects: 1, items: ITEMS, seed: 3 });
  project = ((await checked.redis.keys('project:*'))[0] ?? '').slice('project:'.length);
});
afterAll(() => checked.stop());

async function* names(): AsyncGenerator<ClassifiedKey[]> {
  yield (await checked.redis.keys('*')).sort().map(classifyKey);
}

async function brokenBy(port: RedisPort): Promise<string[]> {
  const found = await findUnlisted(port, [project], names());
  return (found.get(project)?.broken ?? []).map(([rule, id]) => `${rule} ${id}`).sort();
}

describe('keys that no list names', () => {
  it('are found with one command for many names', async () => {
    const { port, redis } = checked;
    const jobs = (await redis.keys('job:*')).filter((key) => key.split(':').length === 2).length;
    const before = port.usage().commands;
    expect(await brokenBy(port)).toEqual([]);
    // Each job is read.
    expect(port.usage().commands - before - jobs).toBeLessThan(10);
  });

  it('are also found if they have to be queried one by one', async () => {
    const { redis, port } = checked;
    const [first = '', second = ''] = await redis.zrange(`feedback:created:${project}`, '0', '1');
    await redis.zrem(`feedback:created:${project}`, first);
    await redis.set(`feedback:external:${project}:reddit:a`, 'gone');
    await redis.set(`feedback:external:${project}:reddit:b`, second);
    await redis.sadd(`feedback:external:${project}:reddit:c`, 'no string');
    await redis.set(`cluster_jobs:${project}:recent`, 'no list');
    await redis.hset(`cluster_job:${project}:one`, 'id', 'one');
    const runs = (await redis.keys(`cluster_job:${project}:*`)).map((key) => key.split(':')[2] ?? '');
    const expected = [
      'external-dangling reddit:a',
      `item-not-listed ${first}`,
      ...runs.map((id) => `cluster-job-not-listed ${id}`),
    ].sort();
    expect(await brokenBy(port)).toEqual(expected);
    expect(await brokenBy(checked.narrow(2000))).toEqual(expected);
  });
});
