import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openReindexBench, type ReindexBench } from './bench.js';
import { expectIndex, leaveVector, putProject, someItems } from './data.js';
import { reportOf, storedIn } from './outcome.js';
import { isItems, wrapEmbedder, wrapRedis } from './wrap.js';

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
      for (const [name, first, ...rest] of some) {
        const last = String(rest.at(-1));
        const key =
          name === 'SCAN' ? `SCAN ${String(first)} ${last}` : name === 'HMGET' ? `HMGET ${String(first)}` : null;
        if (key !== null) asked.set(key, (asked.get(key) ?? 0) + 1);
      }
      return Promise.resolve();
    });
    const run = await bench.run({}, { redis });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(reportOf(run)).toMatchObject({ embedded: 360, again: 0 });
    expect(asked.get('SCAN 0 WITHTYPE')).toBe(1);
    // For projects that were created since, once before late items are embedded and once before the proof.
    expect(asked.get('SCAN 0 project:*')).toBe(2);
    for (const project of projects) {
      await expectIndex(bench, project, someItems(120), { 'item-000': 'c' });
      for (const id of Object.keys(someItems(120)))
        expect([id, asked.get(`HMGET feedback:${project}:${id}`)]).toEqual([id, 2]);
    }
    expect(commands / 360).toBeLessThan(2.3);
  });
});

describe('a project that is created during a re-index of everything', () => {
  const NEW = someItems(20, 500);

  it.each(['embedded', 'reconciled'])('gets its vectors: created while others are %s', async (when) => {
    await putProject(bench.database.redis, 'p1', ITEMS);
    let isThere = false;
    const create = async (): Promise<void> => {
      if (!isThere) await putProject(bench.database.redis, 'new', NEW, { c: ['item-500'] });
      isThere = true;
    };
    const { embedder, vectors } = bench.ports;
    const parts =
      when === 'embedded'
        ? {
            embedder: wrapEmbedder(embedder, async (texts) => {
              if (isItems(texts)) await create();
              return null;
            }),
          }
        : {
            vectors: {
              ...vectors,
              fetch: async (...asked: Parameters<typeof vectors.fetch>) => (await create(), vectors.fetch(...asked)),
            },
          };
    const run = await bench.run({}, parts);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(reportOf(run)).toMatchObject({ embedded: 50, proof: { items: 50, vectors: 50, missing: 0 } });
    await expectIndex(bench, 'new', NEW, { 'item-500': 'c' });
    expect(await bench.database.redis.exists('cluster:lock:new')).toBe(0);
  });
});

describe('the texts of a report', () => {
  it('are those that the embedder embedded, also if a limit ended a try of the batch', async () => {
    await putProject(bench.database.redis, 'p1', someItems(100));
    let calls = 0;
    // The whole batch is too much; its first half is embedded; then nothing is, down to one text.
    bench.gemini.setFaults({ call: () => ([1, 3, 4, 5, 6, 7, 8].includes(calls++) ? 'rate-limit' : null) });
    const run = await bench.runQueued({ scope: { project: 'p1' } });
    expect(run).toMatchObject({ state: 'succeeded', result: { embedded: 100, texts: 101 } });
    expect(bench.gemini.textsEmbedded()).toBe(101);
  });
});
