import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc, { cases } from '../support/fast-check.js';
import { loadWorkspace } from '../../dev/data/index.js';
import { NOW, openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

/** What happened to a project since the snapshot, as the application does it; numbers choose items. */
interface Since {
  readonly removed: readonly number[];
  readonly newer: number;
  readonly moved: readonly number[];
  /** Items that are there, and in no list any more. */
  readonly unlisted: readonly number[];
}

const NOTHING: Since = { removed: [], newer: 0, moved: [], unlisted: [] };
const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

let bench: RestoreBench;
beforeAll(async () => {
  bench = await openRestoreBench();
});
afterAll(() => bench.stop());

interface Project {
  readonly id: string;
  readonly items: readonly string[];
}

async function aProject(items: number): Promise<Project> {
  const { redis, url } = bench.database;
  await redis.flushall();
  await loadWorkspace({ redisUrl: url, projects: 1, users: 1, items, seed: 11, clusterSize: 5, now: NOW });
  const [key = ''] = await redis.keys('project:*');
  const id = key.slice('project:'.length);
  return { id, items: await redis.zrange(`feedback:created:${id}`, '0', '-1') };
}

async function happen({ id, items }: Project, { removed, newer, moved, unlisted }: Since): Promise<void> {
  const { redis } = bench.database;
  const lists = (await redis.keys(`feedback:source:${id}:*`)).concat(`feedback:created:${id}`);
  const sets = (await redis.keys(`cluster:${id}:*:items`)).concat(`feedback:unclustered:${id}`);
  const many = redis.pipeline();
  const chosen = (numbers: readonly number[]): string[] => [
    ...new Set(numbers.map((at) => items[at % items.length] ?? '')),
  ];
  const gone = new Set(chosen(removed));
  for (const item of gone) many.del(`feedback:${id}:${item}`);
  for (const item of [...gone, ...chosen(unlisted)]) {
    for (const list of lists) many.zrem(list, item);
    for (const set of sets) many.srem(set, item);
  }
  for (const item of chosen(moved).filter((one) => !gone.has(one))) {
    for (const set of sets) many.srem(set, item);
    many.sadd(sets[Number.parseInt(item.slice(0, 4), 16) % sets.length] ?? '', item);
  }
  for (const at of upTo(newer)) {
    const item = `c0ffee00-0000-4000-8000-${String(at).padStart(12, '0')}`;
    const fields = { id: item, project_id: id, source: 'manual', title: 't', body: 'b' };
    many.hset(`feedback:${id}:${item}`, { ...fields, created_at: new Date(NOW + at * 1000).toISOString() });
    many.zadd(`feedback:created:${id}`, NOW / 1000 + at, item);
    many.zadd(`feedback:source:${id}:manual`, NOW / 1000 + at, item);
    many.sadd(`feedback:unclustered:${id}`, item);
  }
  await many.exec();
}

/** Every item of a project, and in how many lists of each kind it stands. */
async function standingOf(id: string): Promise<Map<string, string>> {
  const { redis } = bench.database;
  const isItem = (key: string): boolean => /^feedback:[^:]+:[0-9a-f-]{36}$/.test(key) && key.includes(`:${id}:`);
  const hashes = (await redis.keys(`feedback:${id}:*`)).filter(isItem).map((key) => key.split(':')[2] ?? '');
  const membersOf = async (keys: readonly string[], command: 'ZRANGE' | 'SMEMBERS'): Promise<string[]> => {
    const all = keys.map((key) => (command === 'ZRANGE' ? redis.zrange(key, '0', '-1') : redis.smembers(key)));
    return (await Promise.all(all)).flat();
  };
  const created = await membersOf([`feedback:created:${id}`], 'ZRANGE');
  const sources = await membersOf(await redis.keys(`feedback:source:${id}:*`), 'ZRANGE');
  const places = await membersOf(
    (await redis.keys(`cluster:${id}:*:items`)).concat(`feedback:unclustered:${id}`),
    'SMEMBERS',
  );
  const times = (list: readonly string[], item: string): number => list.filter((one) => one === item).length;
  const ids = new Set([...hashes, ...created, ...sources, ...places]);
  return new Map(
    [...ids].map((item) => {
      const counts = [hashes, created, sources, places].map((list) => times(list, item));
      return [item, counts.join(' ')];
    }),
  );
}

/** One hash, once by time, once by source, and in one cluster or waiting for one. */
const WHOLE = '1 1 1 1';

async function holds(items: number, mode: 'merge' | 'missing', since: Since): Promise<number> {
  const project = await aProject(items);
  const { id: snapshot } = await bench.snapshot();
  await happen(project, since);
  const before = await standingOf(project.id);
  const run = await bench.restore(snapshot, { mode, scope: { project: project.id } });
  expect(run).toMatchObject({ state: 'succeeded', error: null });
  const after = await standingOf(project.id);
  const expected = new Set([...project.items, ...before.keys()]);
  expect([...after.keys()].sort()).toEqual([...expected].sort());
  expect([...after].filter(([, standing]) => standing !== WHOLE)).toEqual([]);
  const { projects } = run.result as unknown as { projects: { violations: unknown[] }[] };
  expect(projects.map(({ violations }) => violations)).toEqual([[]]);
  return after.size;
}

describe('a project after a restore in mode merge or missing', () => {
  it('keeps its 10 newer items in its lists: 500 and 10', async () => {
    expect(await holds(500, 'merge', { ...NOTHING, newer: 10 })).toBe(510);
  });

  it('has the 250 deleted items again, all of them listed', async () => {
    expect(await holds(500, 'missing', { ...NOTHING, removed: upTo(250) })).toBe(500);
  });

  it('lists every item once in each kind of list, whatever changed since', async () => {
    const some = fc.array(fc.nat(39), { maxLength: 25 });
    const since = fc.record({ removed: some, newer: fc.nat(6), moved: some, unlisted: some });
    const mode = fc.constantFrom('merge' as const, 'missing' as const);
    const property = fc.asyncProperty(mode, since, async (chosen, happened) => {
      await holds(40, chosen, happened);
    });
    await fc.assert(property, { numRuns: cases(5) });
  });
});
