import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { intercept } from '../snapshot/intercept.js';
import { changes, only, type Dump } from '../support/dumps.js';
import { NOW, openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { keep } from '../support/test-database.js';
import { loadProjects, type Workspace } from './project-data.js';

type Scores = Readonly<Record<string, string>>;

const noLocks = (dump: Dump): Dump => only(dump, (key) => !key.startsWith('cluster:lock:'));

describe('lists of members', () => {
  let bench: RestoreBench;
  let data: Workspace;
  let snapshot = '';
  let created = '';
  let unclustered = '';
  let loadAgain: () => Promise<void>;
  beforeAll(async () => {
    bench = await openRestoreBench();
    data = await loadProjects(bench, { items: 20 });
    created = `feedback:created:${data.project}`;
    unclustered = `feedback:unclustered:${data.project}`;
    snapshot = (await bench.snapshot()).id;
    loadAgain = await keep(bench.database.redis);
  });
  afterAll(() => bench.stop());
  beforeEach(() => loadAgain());

  const itemsOf = (cluster: string): string => `cluster:${data.project}:${cluster}:items`;
  const bySource = async (): Promise<Scores> => {
    const keys = await bench.database.redis.keys(`feedback:source:${data.project}:*`);
    return Object.assign({}, ...(await Promise.all(keys.map(scores)))) as Scores;
  };
  const scores = async (key: string): Promise<Scores> => {
    const flat = await bench.database.redis.zrange(key, '0', '-1', 'WITHSCORES');
    return Object.fromEntries(flat.flatMap((id, at) => (at % 2 === 0 ? [[id, flat[at + 1] ?? '']] : [])));
  };
  /** As the application adds an item. */
  const ingest = async (id: string, at: number): Promise<void> => {
    const { redis } = bench.database;
    await redis.hset(`feedback:${data.project}:${id}`, {
      id,
      project_id: data.project,
      source: 'manual',
      title: 't',
      body: 'b',
      created_at: new Date(at * 1000).toISOString(),
    });
    await redis.zadd(created, at, id);
    await redis.zadd(`feedback:source:${data.project}:manual`, at, id);
    await redis.sadd(unclustered, id);
  };
  /** As somebody deletes items and all that names them. */
  const remove = async (ids: readonly string[]): Promise<void> => {
    const { redis } = bench.database;
    await redis.del(...ids.map((id) => `feedback:${data.project}:${id}`));
    const lists = await redis.keys(`*${data.project}*`);
    for (const key of lists) {
      const type = await redis.type(key);
      if (type === 'zset' && key.startsWith('feedback:')) await redis.zrem(key, ...ids);
      if (type === 'set') await redis.srem(key, ...ids);
    }
  };
  const newer = Array.from({ length: 10 }, (_, at) => `c0ffee00-0000-4000-8000-0000000000${10 + at}`);

  for (const scope of ['project', 'all'] as const) {
    const restore = (ask = {}, parts = {}) =>
      bench.restore(snapshot, { scope: scope === 'all' ? { all: true } : { project: data.project }, ...ask }, parts);

    it(`keep newer members in mode merge (${scope})`, async () => {
      for (const [at, id] of newer.entries()) await ingest(id, NOW / 1000 + at);
      const live = await scores(created);
      await bench.database.redis.zadd(created, 7, data.items[0] ?? '');
      const before = await bench.dump();
      const dry = await restore({ mode: 'merge', dryRun: true });
      const run = await restore({ mode: 'merge' });
      expect(run).toMatchObject({ state: 'succeeded', error: null });
      expect(run.result).toMatchObject({ plan: (dry.result as { plan: object }).plan });
      expect(run.result).toMatchObject({ plan: { total: { unite: 1, overwrite: 0 }, lists: { added: 1, moved: 0 } } });
      expect(await scores(created)).toEqual(live);
      expect(await bySource()).toEqual(live);
      expect(await bench.database.redis.smismember(unclustered, ...newer)).toEqual(newer.map(() => 1));
      expect(run.result).toMatchObject({ united: { lists: 1, members: 1 } });
      const undone = await bench.restore(run.id, { settle: null });
      expect(undone).toMatchObject({ state: 'succeeded' });
      expect(changes(noLocks(before), noLocks(await bench.dump()))).toEqual([]);
    });

    it(`get back the members that mode missing restores, and nothing else (${scope})`, async () => {
      const { redis } = bench.database;
      const whole = await bench.dump();
      const listed = await scores(created);
      const gone = data.items.slice(0, 10);
      await remove(gone);
      await ingest(newer[0] ?? '', NOW / 1000);
      await redis.zadd(created, 7, data.items[15] ?? '');
      const before = await bench.dump();
      const run = await restore({ mode: 'missing' });
      expect(run.error).toBeNull();
      const expected = { ...listed, [newer[0] ?? '']: String(NOW / 1000), [data.items[15] ?? '']: '7' };
      expect(await scores(created)).toEqual(expected);
      expect(Object.keys(await bySource()).sort()).toEqual(Object.keys(expected).sort());
      const after = await bench.dump();
      const touched = changes(before, after);
      for (const key of touched) expect(key).toMatch(/^feedback:|:items$/);
      const others = changes(noLocks(whole), noLocks(after)).filter((key) => !key.startsWith('feedback:'));
      expect(others).toEqual([]);
      const undone = await bench.restore(run.id, { settle: null });
      expect(undone).toMatchObject({ state: 'succeeded' });
      expect(changes(noLocks(before), noLocks(await bench.dump()))).toEqual([]);
    });
  }

  it('have an item in one place: the snapshot decides in mode merge, the database in mode missing', async () => {
    const { redis } = bench.database;
    const [one = '', two = ''] = data.clusters;
    const moved = (await redis.smembers(itemsOf(one)))[0] ?? '';
    const [waiting = ''] = await redis.smembers(unclustered);
    await redis.smove(itemsOf(one), itemsOf(two), moved);
    await redis.smove(unclustered, itemsOf(two), waiting);
    expect(await bench.restore(snapshot, { mode: 'missing' })).toMatchObject({ state: 'succeeded' });
    expect(await redis.smismember(itemsOf(two), moved, waiting)).toEqual([1, 1]);
    expect(await redis.sismember(itemsOf(one), moved)).toBe(0);
    expect(await redis.sismember(unclustered, waiting)).toBe(0);
    const dry = await bench.restore(snapshot, { mode: 'merge', dryRun: true });
    expect(dry.result).toMatchObject({ plan: { lists: { moved: 2 } } });
    expect(await bench.restore(snapshot, { mode: 'merge' })).toMatchObject({ state: 'succeeded', error: null });
    expect(await redis.smismember(itemsOf(two), moved, waiting)).toEqual([0, 0]);
    expect(await redis.sismember(itemsOf(one), moved)).toBe(1);
    expect(await redis.sismember(unclustered, waiting)).toBe(1);
  });

  it('of another type are overwritten in mode merge, and refused in mode missing, which would leave items in no list', async () => {
    const { redis } = bench.database;
    await redis.del(created);
    await redis.set(created, 'a string');
    for (const dryRun of [true, false]) {
      const missing = await bench.restore(snapshot, { mode: 'missing', dryRun });
      expect(missing).toMatchObject({ state: 'failed', error: { code: 'not-restorable' } });
      expect(missing.error?.message).toContain(`${JSON.stringify(created)}. Nothing was written`);
      expect(missing.result).toMatchObject({ plan: { total: { keep: 1 }, lists: { wrongType: 1 } } });
    }
    expect(await redis.get(created)).toBe('a string');
    const merge = await bench.restore(snapshot, { mode: 'merge', dryRun: true });
    expect(merge.result).toMatchObject({ plan: { total: { overwrite: 1 }, lists: { wrongType: 1 } } });
    expect(await bench.restore(snapshot, { mode: 'merge' })).toMatchObject({ state: 'succeeded', error: null });
    expect(Object.keys(await scores(created)).sort()).toEqual([...data.items].sort());
  });

  it.each(['lost on the way', 'taken out of the list'])('fail the proof when members are %s', async (what) => {
    const { redis } = bench.database;
    const [kept = '', lost = ''] = data.items;
    await redis.zrem(created, lost);
    await ingest(newer[0] ?? '', NOW / 1000);
    const victim = what === 'lost on the way' ? lost : (newer[0] ?? '');
    const port = intercept(bench.port, {
      after: async (commands, replies) => {
        if (commands.some(([name, key]) => name === 'ZADD' && String(key) === created))
          await redis.zrem(created, victim);
        return replies;
      },
    });
    const run = await bench.restore(snapshot, { mode: 'merge' }, { redis: port });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-proven' } });
    expect(run.result).toMatchObject({ proof: { total: { different: 1 }, examples: [{ key: created }] } });
    expect(await redis.zscore(created, kept)).not.toBeNull();
  });
});

describe('a list of many members', () => {
  it.each(['merge', 'missing'] as const)('is united in one step, however large: %s', async (mode) => {
    const bench = await openRestoreBench({ snapshotReplyBytes: 60_000 });
    try {
      const { redis } = bench.database;
      const ids = Array.from({ length: 1750 }, (_, at) => `item-${String(at).padStart(5, '0')}-${'x'.repeat(20)}`);
      const pipeline = redis.pipeline();
      for (const [at, id] of ids.entries()) {
        pipeline.hset(`feedback:p:${id}`, 'id', id);
        pipeline.zadd('feedback:created:p', at + 0.1, id);
        pipeline.sadd('feedback:unclustered:p', id);
      }
      await pipeline.exec();
      const before = await bench.dump();
      const { id } = await bench.snapshot({ settings: { partBytes: 50_000 } });
      await redis.zrem('feedback:created:p', ...ids.slice(0, 1500));
      await redis.srem('feedback:unclustered:p', ...ids.slice(0, 1500));
      if (mode === 'merge') await redis.pexpireat('feedback:created:p', NOW + 1e9);
      const sizes: number[] = [];
      const port = intercept(bench.port, {
        after: async (_commands, replies) => {
          sizes.push(await redis.zcard('feedback:created:p'));
          return replies;
        },
      });
      const run = await bench.restore(id, { mode }, { redis: port });
      expect(run).toMatchObject({ result: { united: { lists: 2, members: 3000 } } });
      expect([...new Set(sizes)]).toEqual([250, 1750]);
      expect(changes(before, await bench.dump())).toEqual([]);
    } finally {
      await bench.stop();
    }
  });
});

describe('a violation after a restore', () => {
  let bench: RestoreBench;
  let data: Workspace;
  let loadAgain: () => Promise<void>;
  beforeAll(async () => {
    bench = await openRestoreBench();
    data = await loadProjects(bench, { items: 20 });
    loadAgain = await keep(bench.database.redis);
  });
  afterAll(() => bench.stop());
  beforeEach(() => loadAgain());

  const STRAY = 'c0ffee00-0000-4000-8000-000000000000';
  const addStray = (): Promise<unknown> =>
    bench.database.redis.hset(`feedback:${data.project}:${STRAY}`, { id: STRAY, project_id: data.project });
  const dangle = (): Promise<unknown> =>
    bench.database.redis.set(`feedback:external:${data.project}:github:a:b`, 'no item');
  const found = (run: { result: unknown }) =>
    (run.result as { projects: { project: string; violations: object[] }[] }).projects.find(
      ({ project }) => project === data.project,
    )?.violations;

  it('is inherited when the snapshot has it, also in an empty database', async () => {
    await addStray();
    await dangle();
    const { id } = await bench.snapshot();
    await bench.database.redis.flushall();
    const run = await bench.restore(id);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(found(run)).toEqual([
      { rule: 'item-not-listed', count: 1, examples: [STRAY], inSnapshot: 1, before: 0, fresh: 0, unknown: 0 },
      { rule: 'external-dangling', count: 1, examples: ['github:a:b'], inSnapshot: 1, before: 0, fresh: 0, unknown: 0 },
    ]);
  });

  it('is old, or of unknown age when nothing was saved', async () => {
    const { id } = await bench.snapshot();
    await addStray();
    const run = await bench.restore(id, { mode: 'merge' });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(found(run)).toMatchObject([{ rule: 'item-not-listed', before: 1, fresh: 0 }]);
    const unsaved = await bench.restore(id, { mode: 'merge', safety: false });
    expect(unsaved).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
    expect(unsaved.error?.message).toContain('--no-safety');
    expect(found(unsaved)).toMatchObject([{ rule: 'item-not-listed', unknown: 1 }]);
  });

  it('is new, and the run is incomplete, when neither has it', async () => {
    const { id } = await bench.snapshot();
    let came = false;
    const redis = intercept(bench.port, {
      before: async (commands) => {
        const locks = commands.some(([name, key]) => name === 'SET' && String(key).startsWith('cluster:lock:'));
        if (locks && !came) await addStray();
        came ||= locks;
        return null;
      },
    });
    const run = await bench.restore(id, { mode: 'merge' }, { redis });
    expect(run).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
    expect(run.error?.message).toContain('items are in no list (1)');
    expect(found(run)).toMatchObject([{ rule: 'item-not-listed', count: 1, fresh: 1 }]);
  });
});
