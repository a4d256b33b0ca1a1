import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openReindexBench, type ReindexBench } from './bench.js';
import { expectIndex, leaveVector, putProject, someItems, textOf, without } from './data.js';
import { reportOf, storedIn } from './outcome.js';
import { isItems, wrapEmbedder, wrapRedis } from './wrap.js';

let bench: ReindexBench;

beforeEach(async () => {
  bench = await openReindexBench();
});

afterEach(() => bench.stop());

const SCOPE = { scope: { project: 'p1' } } as const;
const ITEMS = someItems(150);
const CLUSTERS = { c1: ['item-000', 'item-001'], c2: ['item-002'] };
const CLUSTER_OF = { 'item-000': 'c1', 'item-001': 'c1', 'item-002': 'c2' };

/** Changes the data, and returns the expected items and clusters. */
async function change(): Promise<{ items: typeof ITEMS; clusterOf: Record<string, string> }> {
  const { redis } = bench.database;
  const edited = { title: 'Title edited', body: 'Other words', source: 'manual', created_at: '' };
  await redis.hset('feedback:p1:item-010', edited);
  await redis.del('feedback:p1:item-011', 'feedback:p1:item-149');
  await redis.smove('cluster:p1:c1:items', 'cluster:p1:c2:items', 'item-001');
  const born = someItems(3, 900);
  await putProject(redis, 'p1', born);
  await redis.sadd('cluster:p1:c2:items', 'item-900');
  const rest = without(ITEMS, 'item-011', 'item-149');
  return {
    items: { ...rest, ...born, 'item-010': edited },
    clusterOf: { 'item-000': 'c1', 'item-001': 'c2', 'item-002': 'c2', 'item-900': 'c2' },
  };
}

describe('an application that continues writing', () => {
  it('while items are embedded: the index ends as the database does', async () => {
    await putProject(bench.database.redis, 'p1', ITEMS, CLUSTERS);
    let after = { items: ITEMS, clusterOf: CLUSTER_OF as Record<string, string> };
    let changed = false;
    const embedder = wrapEmbedder(bench.ports.embedder, async (texts) => {
      if (!changed && isItems(texts)) {
        changed = true;
        after = await change();
      }
      return null;
    });
    const run = await bench.run(SCOPE, { embedder });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    await expectIndex(bench, 'p1', after.items, after.clusterOf);
    expect(reportOf(run).proof).toMatchObject({ items: 151, vectors: 151, missing: 0, strays: 0, wrong: 0 });
    expect(bench.gemini.timesEmbedded(textOf(ITEMS['item-100'] ?? {}))).toBe(1);
  });

  it.each(['embed', 'look', 'settle', 'prove'])('when the run is at %s', async (phase) => {
    await putProject(bench.database.redis, 'p1', ITEMS, CLUSTERS);
    await leaveVector(bench, 'p1', 'stray');
    let after = { items: ITEMS, clusterOf: CLUSTER_OF as Record<string, string> };
    let id = '';
    const redis = wrapRedis(bench.ports.redis, async () => {
      if (id === '' || (await bench.load(id)).phase !== phase) return;
      id = '';
      // After the last check for edits, only created and deleted items are found.
      after = await change();
    });
    const engine = bench.engine({ redis });
    const started = await bench.start(engine, SCOPE);
    id = started;
    const run = await engine.work(started, bench.budget());
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(id).toBe('');
    const stored = await storedIn(bench.ports.vectors, 'p1');
    expect([...stored.keys()].sort()).toEqual(Object.keys(after.items).sort());
  });

  it('embeds an item that changes all the time a bounded number of times', async () => {
    await putProject(bench.database.redis, 'p1', ITEMS);
    let edits = 0;
    const embedder = wrapEmbedder(bench.ports.embedder, async (texts) => {
      if (isItems(texts)) await bench.database.redis.hset('feedback:p1:item-000', 'title', `Title x${++edits}`);
      return null;
    });
    const run = await bench.run(SCOPE, { embedder });
    expect(bench.gemini.calls()).toBeLessThan(40);
    expect(run.error?.code).toBe('not-proven');
    expect(reportOf(run).proof).toMatchObject({ wrong: 1, missing: 0 });
  });

  it('never shows fewer vectors than before to a client that searches throughout', async () => {
    await putProject(bench.database.redis, 'p1', ITEMS, CLUSTERS);
    await bench.run(SCOPE);
    await bench.database.redis.hset('feedback:p1:item-010', 'body', 'Other words');
    const [probe] = (await storedIn(bench.ports.vectors, 'p1')).values();
    const counts: number[] = [];
    const done = new AbortController();
    const searching = (async () => {
      while (!done.signal.aborted) {
        const matches = await bench.ports.vectors.query('p1', probe?.values ?? new Float32Array(768), 1000);
        counts.push(new Set(matches.map(({ id }) => id)).size);
      }
    })();
    const run = await bench.run(SCOPE);
    done.abort();
    await searching;
    expect(run.state).toBe('succeeded');
    expect(counts.length).toBeGreaterThan(5);
    expect(Math.min(...counts)).toBe(150);
  });
});
