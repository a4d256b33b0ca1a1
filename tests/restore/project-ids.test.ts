import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { changes, only } from '../support/dumps.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

/** Ids that are patterns, parts of one another, or names that every object has. */
const ODD = ['*', '[a-z]*', 'p', 'p2', '__proto__', 'constructor', 'p*', '?', 'é'];

describe('a project with an odd id', () => {
  let bench: RestoreBench;
  let snapshot = '';
  beforeAll(async () => {
    bench = await openRestoreBench();
    await load();
    snapshot = (await bench.snapshot()).id;
  });
  afterAll(() => bench.stop());
  beforeEach(() => load());

  async function load(): Promise<void> {
    const { redis } = bench.database;
    await redis.flushall();
    for (const [at, id] of ODD.entries()) {
      await redis.hset(`project:${id}`, { id, user_id: 'u', name: `project ${at}` });
      await redis.sadd('user:projects:u', id);
      await redis.hset(`feedback:${id}:item`, 'id', 'item');
      await redis.zadd(`feedback:created:${id}`, 1, 'item');
      await redis.hset(`cluster:${id}:c${at}`, 'id', `c${at}`);
      await redis.hset(`job:j${at}`, { project_id: id, cluster_id: `c${at}` });
      await redis.zadd(`cluster:jobs:c${at}`, 1, `j${at}`);
    }
  }

  const keysOf = (id: string) => {
    const at = ODD.indexOf(id);
    const tied = [`job:j${at}`, `cluster:jobs:c${at}`];
    return (key: string): boolean => tied.includes(key) || key.split(':').slice(1).includes(latin1(id));
  };

  it.each(ODD)('%s is restored alone', async (id) => {
    const { redis } = bench.database;
    const whole = await bench.dump();
    for (const [at, other] of ODD.entries()) {
      await redis.hset(`feedback:${other}:item`, 'title', 'changed');
      await redis.hset(`feedback:${other}:later`, 'id', 'later');
      await redis.del(`job:j${at}`, `project:${other}`);
    }
    const broken = await bench.dump();
    expect(await bench.restore(snapshot, { scope: { project: id } })).toMatchObject({ state: 'succeeded' });
    const after = await bench.dump();
    const own = keysOf(id);
    expect(Object.keys(only(whole, own))).toHaveLength(6);
    expect(changes(only(whole, own), only(after, own))).toEqual([]);
    expect(changes(broken, after).filter((key) => !own(key))).toEqual([]);
  });

  it.each(['', 'unknown', 'P', 'p3', 'created', 'jobs', 'p:item', 'u', ' p', 'toString', '%70'])(
    '%j, which the snapshot lacks, is not found and nothing is written',
    async (project) => {
      const [before, writes] = [await bench.dump(), bench.writes()];
      const runs = await foldersOf(bench, 'runs/');
      const scope = { project };
      for (const mode of ['replace', 'merge', 'missing'] as const) {
        await expect(bench.start(snapshot, { scope, mode })).rejects.toMatchObject({ code: 'not-found' });
      }
      expect(bench.writes()).toBe(writes);
      expect(await foldersOf(bench, 'runs/')).toEqual(runs);
      expect(changes(before, await bench.dump())).toEqual([]);
    },
  );
});

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

async function foldersOf({ folder }: RestoreBench, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const name of folder.store.folders(prefix)) found.push(name);
  return found;
}
