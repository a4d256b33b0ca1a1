import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openReindexBench, type ReindexBench } from './bench.js';
import { expectIndex, leaveVector, putProject, someItems } from './data.js';
import { reportOf, storedIn } from './outcome.js';
import { wrapRedis } from './wrap.js';

let bench: ReindexBench;

beforeEach(async () => {
  bench = await openReindexBench();
});
afterEach(() => bench.stop());

const ITEMS = someItems(30);
const CLUSTERS = { c1: ['item-000', 'item-001'] };
const CLUSTER_OF = { 'item-000': 'c1', 'item-001': 'c1' };
const itemsOf = (...ids: string[]) => ({ items: ids.map((id) => ({ project: 'p1', id })) });

describe('re-indexing some items', () => {
  it('embeds them alone, and leaves every other vector and stray as it is', async () => {
    await putProject(bench.database.redis, 'p1', ITEMS, CLUSTERS);
    await bench.run({ scope: { project: 'p1' } });
    await bench.ports.vectors.remove('p1', ['item-000']);
    const others = await storedIn(bench.ports.vectors, 'p1');
    const before = bench.gemini.textsEmbedded();
    const run = await bench.run({ scope: itemsOf('item-000') });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(reportOf(run)).toMatchObject({ embedded: 1, swept: 0, proof: { items: 1, vectors: 1, sampleFound: 1 } });
    // One is the probe text that is embedded first.
    expect(bench.gemini.textsEmbedded()).toBe(before + 2);
    await expectIndex(bench, 'p1', ITEMS, CLUSTER_OF);

    await leaveVector(bench, 'p1', 'stray');
    await bench.database.redis.del('feedback:p1:item-000');
    const gone = await bench.run({ scope: itemsOf('item-000') });
    expect(reportOf(gone)).toMatchObject({ embedded: 0, swept: 1, proof: { items: 0, missing: 0, strays: 0 } });
    const left = await storedIn(bench.ports.vectors, 'p1');
    expect([...left.keys()].sort()).toEqual([...others.keys(), 'stray'].sort());
    for (const [id, vector] of others) expect([id, left.get(id)]).toEqual([id, vector]);
  });

  it('is refused if the other vectors are of another model, because a mixture gives wrong results', async () => {
    await putProject(bench.database.redis, 'p1', ITEMS, CLUSTERS);
    await bench.run({ scope: { project: 'p1' } });
    const stored = await storedIn(bench.ports.vectors, 'p1');
    const run = await bench.run({ scope: itemsOf('item-000') }, { settings: { cutCodePoints: 99 } });
    expect(run.state).not.toBe('succeeded');
    expect(await storedIn(bench.ports.vectors, 'p1')).toEqual(stored);
    const flush = bench.run({ scope: itemsOf('item-000'), mode: 'flush' });
    await expect(flush).rejects.toMatchObject({ code: 'usage' });
    expect(await storedIn(bench.ports.vectors, 'p1')).toEqual(stored);
  });

  it('accepts items of several projects', async () => {
    for (const project of ['p1', 'p2', 'p3']) await putProject(bench.database.redis, project, ITEMS);
    const run = await bench.run({ scope: { projects: ['p1', 'p3'] } });
    expect(reportOf(run)).toMatchObject({ embedded: 60 });
    expect((await storedIn(bench.ports.vectors, 'p2')).size).toBe(0);
    const unknown = bench.run({ scope: { projects: ['p1', 'nowhere'] } });
    await expect(unknown).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('the commands of a re-index', () => {
  it('walk the database once for all projects and read each item twice: to embed and to reconcile', async () => {
    const projects = ['p1', 'p2', 'p3'];
    for (const project of projects)
      await putProject(bench.database.redis, project, someItems(120), { c: ['item-000'] });
    const asked = new Map<string, number>();
    let commands = 0;
    const redis = wrapRedis(bench.ports.redis, (some) => {
      commands += some.length;
      for (const [name, first] of some) {
        const key = name === 'SCAN' ? `SCAN ${String(first)}` : name === 'HMGET' ? `HMGET ${String(first)}` : null;
        if (key !== null) asked.set(key, (asked.get(key) ?? 0) + 1);
      }
      return Promise.resolve();
    });
    const run = await bench.run({}, { redis });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(reportOf(run)).toMatchObject({ embedded: 360, again: 0 });
    expect(asked.get('SCAN 0')).toBe(1);
    for (const project of projects) {
      await expectIndex(bench, project, someItems(120), { 'item-000': 'c' });
      for (const id of Object.keys(someItems(120)))
        expect([id, asked.get(`HMGET feedback:${project}:${id}`)]).toEqual([id, 2]);
    }
    expect(commands / 360).toBeLessThan(2.3);
  });
});
