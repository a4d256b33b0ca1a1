import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { VectorIndex } from '../../lib/ports/vector-index.js';
import { loadIndexModels, modelOf } from '../../lib/soulcaster/index-models.js';
import { openReindexBench, type ReindexBench } from './bench.js';
import { expectIndex, leaveVector, putProject, someItems } from './data.js';
import { storedIn } from './outcome.js';

let bench: ReindexBench;

beforeEach(async () => {
  bench = await openReindexBench();
  for (const project of ['p1', 'p2']) await putProject(bench.database.redis, project, ITEMS, { c: ['item-001'] });
  expect(await bench.run()).toMatchObject({ state: 'succeeded' });
});

afterEach(() => bench.stop());

const SECOND = 'gemini-embedding-2';
const ITEMS = someItems(60);
const BESIDE = { beside: { index: 'same', suffix: '-g2' } } as const;
const NEXT = { beside: { index: 'next', suffix: '' } } as const;

async function snapshotOf(index: VectorIndex, project: string): Promise<string> {
  const stored = await storedIn(index, project);
  return JSON.stringify([...stored].map(([id, { metadata, values }]) => [id, metadata, [...values.slice(0, 8)]]));
}

const modelIn = async (index: VectorIndex, project: string) =>
  modelOf(await loadIndexModels(bench.ports.store), index.place, project);

describe.each([
  ['in namespaces of the same index', BESIDE],
  ['in a second index', NEXT],
] as const)('an index of another model, %s', (_, where) => {
  it('is built beside, proven and compared; the old vectors stay until they are dropped', async () => {
    const index = bench.ports.elsewhere.indexOf(where.beside);
    const before = await snapshotOf(bench.ports.vectors, 'p1');
    const dropping = { ...where, dropOld: true };
    expect(await bench.run(dropping, {}, { model: SECOND })).toMatchObject({
      state: 'failed',
      error: { code: 'not-proven' },
    });

    const run = await bench.run(where, {}, { model: SECOND });
    expect(run).toMatchObject({ state: 'succeeded', error: null, input: { recipe: { model: SECOND } } });
    expect(run.result).toMatchObject({ embedded: 120, compared: { queries: 40, overlap: expect.any(Number) } });
    expect(await bench.database.redis.exists('cluster:lock:p1')).toBe(0);
    expect(await snapshotOf(bench.ports.vectors, 'p1')).toBe(before);
    expect((await storedIn(index, 'p2')).size).toBe(60);
    expect(await modelIn(index, 'p1')).toMatchObject({ model: SECOND, mixed: false, provenAt: expect.any(String) });
    expect(await modelIn(bench.ports.vectors, 'p1')).toMatchObject({ model: 'gemini-embedding-001' });

    // An ordinary re-index changes and removes nothing that is built beside.
    await leaveVector(bench, 'p1', 'stray');
    expect(await bench.run()).toMatchObject({ state: 'succeeded', result: { swept: 1 } });
    expect((await storedIn(index, 'p1')).size).toBe(60);
    await expectIndex(bench, 'p1', ITEMS, { 'item-001': 'c' });

    // Items created since have no new vector: nothing is dropped before they have.
    await putProject(bench.database.redis, 'p1', someItems(3, 900));
    const early = await bench.run(dropping, {}, { model: SECOND });
    expect(early).toMatchObject({
      state: 'failed',
      error: { message: expect.stringContaining('p1: 3 items have no new vector (item-900, item-901, item-902)') },
    });
    expect((await storedIn(bench.ports.vectors, 'p1')).size).toBe(60);
    await bench.database.redis.smove('cluster:p1:c:items', 'cluster:p1:d:items', 'item-001');
    await putProject(bench.database.redis, 'p1', {}, { d: ['item-001'] });
    const calls = bench.gemini.textsEmbedded();
    expect(await bench.run({ ...where, mode: 'missing' }, {}, { model: SECOND })).toMatchObject({ state: 'succeeded' });
    expect(bench.gemini.textsEmbedded() - calls).toBe(1 + 3 + 1);
    expect((await storedIn(index, 'p1')).get('item-001')?.metadata).toMatchObject({ cluster_id: 'd' });

    const counted = await bench.run({ ...dropping, dryRun: true }, {}, { model: SECOND });
    expect(counted).toMatchObject({ state: 'succeeded', result: { dropped: 120 } });
    expect((await storedIn(bench.ports.vectors, 'p1')).size).toBe(60);
    expect(await bench.run(dropping, {}, { model: SECOND })).toMatchObject({
      state: 'succeeded',
      result: { dropped: 120 },
    });
    expect((await storedIn(bench.ports.vectors, 'p1')).size).toBe(0);
    expect((await storedIn(index, 'p1')).size).toBe(63);
    expect(await modelIn(bench.ports.vectors, 'p1')).toBeNull();
    expect(await modelIn(index, 'p1')).toMatchObject({ model: SECOND });
  });
});

describe('building beside', () => {
  it('is refused if the namespace is another project, for one project alone, and where the application searches', async () => {
    await putProject(bench.database.redis, 'p1-g2', someItems(3));
    const run = await bench.run(BESIDE, {}, { model: SECOND });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'usage' } });
    expect((await storedIn(bench.ports.vectors, 'p1-g2')).size).toBe(0);
    const own = { beside: { index: 'same', suffix: '' } } as const;
    for (const [request, wanted] of [
      [{ ...BESIDE, scope: { project: 'p1' } }, {}],
      [own, {}],
      [{}, { model: SECOND }],
      [{ dropOld: true }, {}],
    ] as const) {
      await expect(bench.run(request, {}, wanted)).rejects.toMatchObject({ code: 'usage' });
    }
  });

  it('refuses a model that is not known, and a dimension that the index does not have, before it writes anything', async () => {
    const wrong = await bench.run(BESIDE, {}, { model: 'gemini-embedding-3' });
    expect(wrong).toMatchObject({ state: 'failed', phase: 'preflight', error: { code: 'embedder-denied' } });
    await expect(bench.run(BESIDE, {}, { dimensions: 512 })).rejects.toMatchObject({ code: 'vector-mismatch' });
    const { namespaces } = await bench.ports.vectors.info();
    expect(Object.keys(namespaces).sort()).toEqual(['', 'p1', 'p2']);
  });

  const at = (suffix: string) => ({ beside: { index: 'same', suffix } }) as const;
  const other = { model: SECOND };
  const sizeOf = async (suffix: string) =>
    (await storedIn(bench.ports.elsewhere.indexOf({ index: 'same', suffix }), 'p1')).size;

  it('is not dropped as old where it was built after what the application searches', async () => {
    await bench.run(at(':g2'), {}, other);
    const switched = {
      vectors: bench.ports.elsewhere.indexOf({ index: 'same', suffix: ':g2' }),
      embedder: bench.ports.elsewhere.embedderOf({ ...bench.ports.recipe, ...other }),
    };
    await bench.run(at(':g3'), switched, { model: 'gemini-embedding-001' });
    // To bring vectors up to date does not make them younger.
    await bench.run({ ...at(':g2'), mode: 'missing' }, {}, other);
    expect(await bench.run({ ...at(':g2'), dropOld: true }, switched)).toMatchObject({ state: 'succeeded' });
    expect([await sizeOf(''), await sizeOf(':g2'), await sizeOf(':g3')]).toEqual([0, 60, 60]);
  });

  it('takes the place of the old vectors although the embedder refuses an item, which has no vector there either', async () => {
    await bench.database.redis.hset('feedback:p1:item-003', 'title', 'refused here');
    bench.gemini.setFaults({ refuse: (text) => text.includes('refused here') });
    expect(await bench.run(at(':g2'), {}, other)).toMatchObject({ state: 'incomplete' });
    const dropping = { ...at(':g2'), dropOld: true };
    expect((await bench.run(dropping, {}, other)).error?.message).toContain('1 items have no new vector (item-003)');
    await bench.ports.vectors.remove('p1', ['item-003']);
    expect(await bench.run(dropping, {}, other)).toMatchObject({ state: 'succeeded' });
    expect([await sizeOf(''), await sizeOf(':g2')]).toEqual([0, 59]);
  });

  it('is cleared without a question, and its refusals name its place', async () => {
    const limits = { settings: { updatesPerDay: 50 } };
    const flushed = await bench.run({ ...at(':g2'), mode: 'flush' }, limits, other);
    expect(flushed.error?.code).not.toBe('not-confirmed');
    await bench.run(at(':g2'), {}, other);
    const mixed = await bench.run({ ...at(':g2'), mode: 'missing' });
    expect(mixed.error).toMatchObject({
      code: 'vector-mismatch',
      hint: expect.stringContaining(
        '`npx soulcaster-backup reindex --all --into :g2 --model gemini-embedding-2 --mode missing --env-file .env`',
      ) as unknown,
    });
  });
});
