import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadWorkspace } from '../../dev/data/index.js';
import { labelOf, loadIndexModels } from '../../lib/soulcaster/index-models.js';
import { cancelRun } from '../../lib/runs/engine.js';
import { openReindexBench, type Parts, type ReindexBench } from './bench.js';
import { expectIndex, leaveVector, putProject, someItems, without } from './data.js';
import { reportOf, storedIn } from './outcome.js';

let bench: ReindexBench;

beforeEach(async () => {
  bench = await openReindexBench();
});

afterEach(() => bench.stop());

const ITEMS = someItems(250);
const CLUSTERS = { c1: ['item-000', 'item-001', 'item-240'], c2: ['item-002'], empty: [] };
const CLUSTER_OF = { 'item-000': 'c1', 'item-001': 'c1', 'item-240': 'c1', 'item-002': 'c2' };

describe('re-indexing in place', () => {
  it('gives every item its vector and removes the others', async () => {
    await putProject(bench.database.redis, 'p1', ITEMS, CLUSTERS);
    for (const id of ['item-000', 'item-007', 'stray-1', 'stray-2']) await leaveVector(bench, 'p1', id);
    await leaveVector(bench, 'other', 'not-of-the-scope');
    const run = await bench.run({ scope: { project: 'p1' } });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(reportOf(run)).toMatchObject({ embedded: 250, unchanged: 0, swept: 2, again: 0, calls: 4 });
    expect(reportOf(run).proof).toMatchObject({ items: 250, vectors: 250, missing: 0, strays: 0, sampleFound: 10 });
    await expectIndex(bench, 'p1', ITEMS, CLUSTER_OF);
    expect((await storedIn(bench.ports.vectors, 'other')).size).toBe(1);
    expect(bench.gemini.textsEmbedded()).toBe(251);
    expect(bench.gemini.distinctTexts()).toBe(251);
    expect(await bench.database.redis.exists('cluster:lock:p1')).toBe(0);
  });

  it('fails the proof if the index lists vectors that it does not return', async () => {
    await putProject(bench.database.redis, 'p1', ITEMS);
    let isSearched = false;
    const { vectors } = bench.ports;
    const run = await bench.run(
      { scope: { project: 'p1' } },
      {
        vectors: {
          ...vectors,
          range: (...at) => ((isSearched = bench.index.requestCount('upsert') > 0), vectors.range(...at)),
          fetch: async (space, ids) => (isSearched ? ids.map(() => null) : vectors.fetch(space, ids)),
        },
      },
    );
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-proven' } });
    expect(run.error?.message).toContain('10 of 10 vectors do not find themselves');
  });

  it('does the same in many attempts', async () => {
    for (const project of ['p1', 'p2', 'p3']) await putProject(bench.database.redis, project, someItems(120), CLUSTERS);
    await leaveVector(bench, 'p3', 'stray');
    const whole = await bench.run({ mode: 'missing' });
    await bench.ports.vectors.remove('p1', 'all');
    const run = await bench.run({}, { attemptMs: 2 });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(run.leg).toBeGreaterThan(whole.leg);
    expect(reportOf(run)).toMatchObject({ embedded: 360, swept: 1, again: 0 });
    for (const project of ['p1', 'p2', 'p3']) {
      await expectIndex(bench, project, someItems(120), without(CLUSTER_OF, 'item-240'));
    }
  });

  it('covers every project of a workspace, data from before there were projects, and leftover namespaces', async () => {
    await loadWorkspace({ redisUrl: bench.database.url, projects: 3, items: 60, seed: 3, locked: false });
    await leaveVector(bench, 'deleted-project', 'left-behind');
    await leaveVector(bench, 'not:ours', 'of-another');
    const run = await bench.run();
    expect(run.state).toBe('succeeded');
    expect(reportOf(run)).toMatchObject({ embedded: 182, swept: 1 });
    expect(reportOf(run).projects.map(({ project }) => project)).toContain('');
    expect((await storedIn(bench.ports.vectors, '')).size).toBe(2);
    expect((await storedIn(bench.ports.vectors, 'deleted-project')).size).toBe(0);
    expect((await storedIn(bench.ports.vectors, 'not:ours')).size).toBe(1);
    const clustered = [...(await storedIn(bench.ports.vectors, '')).values()].map(
      ({ metadata }) => metadata.cluster_id,
    );
    expect(clustered.filter((cluster) => cluster !== '')).toHaveLength(1);
  });

  it('assigns an item in two clusters to the newer one, and reports the conflict', async () => {
    await putProject(bench.database.redis, 'p1', ITEMS, {
      newest: ['item-000'],
      older: ['item-000'],
      old: ['item-001'],
    });
    await bench.database.redis.zadd('clusters:p1:all', 1_900_000_000, 'newest');
    // Without a score, the cluster's `created_at` decides.
    await bench.database.redis.zrem('clusters:p1:all', 'older');
    const run = await bench.run({ scope: { project: 'p1' } });
    expect(reportOf(run).conflicts).toEqual({
      count: 1,
      named: [{ project: 'p1', id: 'item-000', clusters: ['older', 'newest'], chosen: 'newest' }],
    });
    await expectIndex(bench, 'p1', ITEMS, { 'item-000': 'newest', 'item-001': 'old' });
  });
});

/** Gives a vector an outdated title. */
async function rename(id: string): Promise<void> {
  const [vector] = await bench.ports.vectors.fetch('p1', [id]);
  if (vector == null) throw new Error('there is no such vector');
  await bench.ports.vectors.upsert('p1', [{ ...vector, metadata: { ...vector.metadata, title: 'old' } }]);
}

describe('the other modes', () => {
  it('flush clears the scope first, and nothing else', async () => {
    await putProject(bench.database.redis, 'p1', ITEMS, CLUSTERS);
    for (const id of ['item-000', 'stray-1']) await leaveVector(bench, 'p1', id);
    await leaveVector(bench, 'p2', 'not-of-the-scope');
    const run = await bench.run({ scope: { project: 'p1' }, mode: 'flush' }, { attemptMs: 2 });
    expect(run.state).toBe('succeeded');
    expect(reportOf(run)).toMatchObject({ embedded: 250, swept: 0 });
    await expectIndex(bench, 'p1', ITEMS, CLUSTER_OF);
    expect((await storedIn(bench.ports.vectors, 'p2')).size).toBe(1);
    expect(bench.index.requestCount('reset')).toBe(1);
  });

  it.each(['remove', 'upsert'] as const)(
    'flush that is cancelled at its first %s names what is left of the index and the command that finishes it',
    async (act) => {
      for (const project of ['p1', 'p2']) {
        await putProject(bench.database.redis, project, someItems(20));
        await leaveVector(bench, project, 'item-000');
      }
      const { vectors } = bench.ports;
      let id = '';
      const cancelling = async (): Promise<void> => {
        const { error } = await cancelRun(bench.engine(), id);
        expect(error).toMatchObject({ code: 'cancelled', hint: expect.stringContaining(`reindex --retry ${id}`) });
        expect(error?.hint).toContain('2 projects (p1, p2)');
      };
      const parts: Partial<Parts> = {
        vectors: {
          ...vectors,
          [act]: async (...at: never[]) => (await cancelling(), (vectors[act] as (...all: never[]) => unknown)(...at)),
        },
      };
      const engine = bench.engine(parts);
      id = await bench.start(engine, { mode: 'flush' }, parts);
      await engine.work(id, bench.budget()).catch(() => undefined);
      expect(await bench.load(id)).toMatchObject({ state: 'failed', error: { code: 'cancelled' } });
      expect((await bench.retry(id)).state).toBe('succeeded');
    },
  );

  it('in-place that is cancelled leaves nothing to name', async () => {
    await putProject(bench.database.redis, 'p1', someItems(20));
    let id = '';
    const { vectors } = bench.ports;
    const parts: Partial<Parts> = {
      vectors: { ...vectors, upsert: async (...at) => (await cancelRun(bench.engine(), id), vectors.upsert(...at)) },
    };
    const engine = bench.engine(parts);
    id = await bench.start(engine, {}, parts);
    await engine.work(id, bench.budget()).catch(() => undefined);
    expect((await bench.load(id)).error?.hint).not.toContain('--retry');
  });

  it('missing embeds items without a vector and changes nothing else', async () => {
    await putProject(bench.database.redis, 'p1', ITEMS, CLUSTERS);
    const some = ['item-000', 'item-007', 'item-100'].map((id) => ({ project: 'p1', id }));
    expect(await bench.run({ scope: { items: some } })).toMatchObject({ state: 'succeeded' });
    // An edited item does not show the model of its vector; the others do.
    await rename('item-007');
    await leaveVector(bench, 'p1', 'stray-1');
    const embedded = bench.gemini.textsEmbedded();
    const run = await bench.run({ scope: { project: 'p1' }, mode: 'missing' });
    expect(run.state).toBe('succeeded');
    expect(reportOf(run)).toMatchObject({ embedded: 247, unchanged: 3, swept: 0 });
    const stored = await storedIn(bench.ports.vectors, 'p1');
    expect(stored.size).toBe(251);
    expect(stored.get('item-007')?.metadata).toMatchObject({ title: 'old' });
    // The probe text, the two samples for the model, and the missing items.
    expect(bench.gemini.textsEmbedded() - embedded).toBe(1 + 2 + 247);
    const again = await bench.run({ scope: { project: 'p1' }, mode: 'missing' });
    expect(reportOf(again)).toMatchObject({ embedded: 0, unchanged: 250 });
    expect(again.state).toBe('succeeded');
  });

  it('a dry run counts and changes nothing', async () => {
    await putProject(
      bench.database.redis,
      'p1',
      { ...ITEMS, hollow: { title: ' ' } },
      { a: ['item-000'], b: ['item-000'] },
    );
    await bench.database.redis.set('feedback:p1:odd', 'text');
    for (const id of ['item-000', 'stray-1']) await leaveVector(bench, 'p1', id);
    const before = bench.index.requestCount('upsert');
    const run = await bench.run({ scope: { project: 'p1' }, dryRun: true });
    expect(run.state).toBe('succeeded');
    expect(run.result).toMatchObject({
      items: 251,
      toEmbed: 250,
      present: 2,
      strays: 1,
      calls: 4,
      skipped: { count: 2 },
      conflicts: { count: 1 },
    });
    expect(bench.index.requestCount('upsert')).toBe(before);
    expect(bench.gemini.textsEmbedded()).toBe(1);
    expect(await bench.database.redis.exists('cluster:lock:p1')).toBe(0);
    await bench.ports.vectors.remove('p1', ['item-000']);
    const missing = await bench.run({ scope: { project: 'p1' }, mode: 'missing', dryRun: true });
    expect(missing.result).toMatchObject({ toEmbed: 250, projects: [{ unchanged: 0 }] });
  });

  it('forgets what the vectors of a project were made with once it has none', async () => {
    const recorded = async () => (await loadIndexModels(bench.ports.store)).namespaces.map(({ project }) => project);
    const { redis } = bench.database;
    for (const project of ['p1', 'p2', 'p3']) await putProject(redis, project, someItems(3));
    await bench.run();
    expect((await recorded()).sort()).toEqual(['p1', 'p2', 'p3'].map(labelOf).sort());
    for (const project of ['p2', 'p3']) await redis.del(...(await redis.keys(`*${project}*`)));
    await bench.ports.vectors.remove('p2', 'all');
    await bench.run({ scope: { project: 'p1' } });
    expect(await recorded()).toHaveLength(3);
    await bench.run();
    expect(await recorded()).toEqual([labelOf('p1')]);
  });

  it('forgets it too where a run over all projects failed and its retry succeeds', async () => {
    const { redis } = bench.database;
    for (const project of ['p1', 'p2']) await putProject(redis, project, someItems(3));
    await bench.run();
    await redis.del(...(await redis.keys('*p2*')));
    await bench.ports.vectors.remove('p2', 'all');
    bench.gemini.setFaults({ call: () => 'denied' });
    const failed = await bench.run();
    expect(failed.state).toBe('failed');
    bench.gemini.setFaults({ call: () => null });
    expect(await bench.retry(failed.id)).toMatchObject({ state: 'succeeded' });
    const { namespaces } = await loadIndexModels(bench.ports.store);
    expect(namespaces.map(({ project }) => project)).toEqual([labelOf('p1')]);
  });

  it('a project that is gone from the database is swept from the index by its id', async () => {
    await leaveVector(bench, 'p1', 'left');
    expect(await bench.run({ scope: { project: 'p1' } })).toMatchObject({ state: 'succeeded', result: { swept: 1 } });
    expect((await storedIn(bench.ports.vectors, 'p1')).size).toBe(0);
    await expect(bench.run({ scope: { project: 'p1' } })).rejects.toMatchObject({ code: 'not-found' });
  });

  it('a dry run does not wait for the quota of the day', async () => {
    await putProject(bench.database.redis, 'p1', someItems(3));
    bench.gemini.setFaults({ call: () => 'daily-quota' });
    expect(await bench.run({ scope: { project: 'p1' }, dryRun: true })).toMatchObject({
      state: 'succeeded',
      result: { toEmbed: 3 },
    });
  });

  it('an empty project is completed at once', async () => {
    await putProject(bench.database.redis, 'p1', {});
    const run = await bench.run({ scope: { project: 'p1' } });
    expect(run.state).toBe('succeeded');
    expect(reportOf(run)).toMatchObject({ embedded: 0, swept: 0 });
  });
});
