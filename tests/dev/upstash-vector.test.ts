import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Index } from '@upstash/vector';
import { execa } from 'execa';
import { startUpstashVector, type UpstashVectorStandIn } from '../../dev/upstash-vector/index.js';
import fc from '../support/fast-check.js';
import { nearestByUsearch, type Metric } from '../../dev/upstash-vector/store.js';

const A = [1, 0, 0];
const B = [0, 1, 0];

describe("the stand-in for Upstash Vector, by the vendor's SDK", () => {
  let standIn: UpstashVectorStandIn;
  let index: Index;
  beforeEach(async () => {
    standIn = await startUpstashVector({ dimensions: 3, indexDelayMs: 0 });
    index = new Index({ url: standIn.url, token: standIn.token, retry: false, enableTelemetry: false });
  });
  afterEach(() => standIn.stop());

  const idsOf = (found: readonly ({ id: number | string } | null)[]): unknown[] => found.map((one) => one?.id);

  it('answers upsert, fetch, query, delete and info in shapes that the SDK knows', async () => {
    expect(
      await index.upsert([
        { id: 'a', vector: A, metadata: { n: 1 } },
        { id: 2, vector: B },
      ]),
    ).toBe('Success');
    expect(await index.fetch(['a', 'x'], { includeMetadata: true, includeVectors: true })).toEqual([
      { id: 'a', vector: A, metadata: { n: 1 } },
      null,
    ]);
    expect(await index.fetch(['a', '2'])).toEqual([{ id: 'a' }, { id: '2' }]);
    expect(await index.query({ vector: B, topK: 1, includeVectors: true })).toEqual([{ id: '2', score: 1, vector: B }]);
    expect(await index.delete(['a', 'x'])).toEqual({ deleted: 1 });
    expect(await index.info()).toMatchObject({
      vectorCount: 1,
      pendingVectorCount: 0,
      dimension: 3,
      similarityFunction: 'COSINE',
      namespaces: { '': { vectorCount: 1, pendingVectorCount: 0 } },
    });
  });

  it('answers a batch of queries, one by one', async () => {
    await index.upsert([
      { id: 'a', vector: A },
      { id: 'b', vector: B },
    ]);
    const found = await index.queryMany([
      { vector: A, topK: 1 },
      { vector: B, topK: 2 },
    ]);
    expect(found.map(idsOf)).toEqual([['a'], ['b', 'a']]);
  });

  it('walks by offset, so that a walk misses what others make move up', async () => {
    await index.upsert(['a', 'b', 'c', 'd'].map((id) => ({ id, vector: A })));
    const first = await index.range({ cursor: 0, limit: 2 });
    expect(first).toEqual({ nextCursor: '2', vectors: [{ id: 'a' }, { id: 'b' }] });
    await index.delete(['a', 'b']);
    expect(await index.range({ cursor: first.nextCursor, limit: 2 })).toEqual({ nextCursor: '', vectors: [] });
    expect(idsOf((await index.range({ cursor: '', limit: 2 })).vectors)).toEqual(['c', 'd']);
  });

  it('reads, walks and deletes by prefix', async () => {
    await index.upsert(['a:1', 'b:1', 'a:2'].map((id) => ({ id, vector: A })));
    expect(idsOf(await index.fetch({ prefix: 'a:' }))).toEqual(['a:1', 'a:2']);
    expect(idsOf((await index.range({ cursor: 0, limit: 9, prefix: 'b' })).vectors)).toEqual(['b:1']);
    expect(await index.delete({ prefix: 'a:' })).toEqual({ deleted: 2 });
  });

  it('resets the default namespace, one by name, or all; each continues existing', async () => {
    for (const namespace of ['', 'one', 'two']) await index.upsert([{ id: 'a', vector: A }], { namespace });
    const counts = async (): Promise<unknown> =>
      Object.entries((await index.info()).namespaces).map(([name, { vectorCount }]) => [name, vectorCount]);
    await index.reset();
    expect(await counts()).toEqual([['', 0], ['one', 1], ['two', 1]]); // prettier-ignore
    await index.reset({ namespace: 'one' });
    expect(await counts()).toEqual([['', 0], ['one', 0], ['two', 1]]); // prettier-ignore
    await index.reset({ all: true });
    expect(await index.listNamespaces()).toEqual(['', 'one', 'two']);
    await index.deleteNamespace('one');
    expect(await index.listNamespaces()).toEqual(['', 'two']);
    await expect(index.deleteNamespace('one')).rejects.toThrow('does not exist');
    await expect(index.deleteNamespace('')).rejects.toThrow();
  });

  it('shows writes to fetch and range at once, and to queries and counts when they are indexed', async () => {
    standIn.setIndexDelayMs(Number.POSITIVE_INFINITY);
    await index.upsert([{ id: 'a', vector: A }], { namespace: 'ns' });
    expect(idsOf(await index.fetch(['a'], { namespace: 'ns' }))).toEqual(['a']);
    expect(idsOf((await index.range({ cursor: 0, limit: 5 }, { namespace: 'ns' })).vectors)).toEqual(['a']);
    expect(await index.query({ vector: A, topK: 5 }, { namespace: 'ns' })).toEqual([]);
    expect((await index.info()).namespaces['ns']).toEqual({ vectorCount: 0, pendingVectorCount: 1 });
    standIn.setIndexDelayMs(0);
    expect(idsOf(await index.query({ vector: A, topK: 5 }, { namespace: 'ns' }))).toEqual(['a']);
    expect((await index.info()).namespaces['ns']).toEqual({ vectorCount: 1, pendingVectorCount: 0 });
  });

  it('refuses a batch as a whole for one vector of another dimension', async () => {
    const batch = [
      { id: 'a', vector: A },
      { id: 'b', vector: [1, 2] },
    ];
    await expect(index.upsert(batch)).rejects.toThrow('Invalid vector dimension: 2, expected: 3');
    expect(await index.fetch(['a', 'b'])).toEqual([null, null]);
    await expect(index.query({ vector: [1], topK: 1 })).rejects.toThrow('dimension');
  });

  it('refuses unsupported features and oversized requests', async () => {
    await expect(index.query({ vector: A, topK: 1, filter: 'n = 1' })).rejects.toThrow('filters');
    await expect(index.range({ cursor: 0, limit: 0 })).rejects.toThrow('limit');
    await expect(index.upsert({ id: 'a', vector: A, metadata: { t: 'x'.repeat(50_000) } })).rejects.toThrow('Metadata');
    await expect(index.fetch(Array.from({ length: 1_001 }, (_, n) => String(n)))).rejects.toThrow('Too many');
    await expect(index.upsert({ id: 'a', data: 'text to embed' })).rejects.toThrow('Unknown path');
  });

  it('counts requests, and how often each id was written', async () => {
    for (const namespace of ['one', 'two', 'one']) await index.upsert({ id: 'a', vector: A }, { namespace });
    await index.info();
    expect(standIn.upsertsOf('one', 'a')).toBe(2);
    expect(standIn.upsertsOf('two', 'a')).toBe(1);
    expect(standIn.upsertsOf('three', 'a')).toBe(0);
    expect([standIn.requestCount('upsert'), standIn.requestCount()]).toEqual([3, 4]);
  });

  it('makes faults happen to this many requests, or to those that a rule picks', async () => {
    standIn.setFaults({ reject: { status: 500, hits: 1 } });
    await expect(index.info()).rejects.toThrow('rejected');
    expect((await index.info()).vectorCount).toBe(0);
    standIn.setFaults({
      reject: { status: 429, hits: ({ endpoint, namespace }) => endpoint === 'upsert' && namespace === 'ns' },
    });
    await index.upsert({ id: 'a', vector: A });
    await expect(index.upsert({ id: 'a', vector: A }, { namespace: 'ns' })).rejects.toThrow('rejected');
    standIn.setFaults({ reject: null, loseReply: 1 });
    // It says that it was done twice: `retry: false` of the SDK still means two tries.
    await index.upsert({ id: 'a', vector: A }, { namespace: 'ns' });
    expect(standIn.upsertsOf('ns', 'a')).toBe(2);
  });
});

describe('the stand-in for Upstash Vector, by HTTP', () => {
  let standIn: UpstashVectorStandIn;
  beforeEach(async () => (standIn = await startUpstashVector({ dimensions: 3, requestLimitBytes: 1_000 })));
  afterEach(() => standIn.stop());

  const status = async (path: string, init: RequestInit = {}, token = standIn.token): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(standIn.url + path, { method: 'POST', headers, ...init });
    await response.text();
    return response.status;
  };

  it('wants the token', async () => {
    expect(await status('/info', {}, 'wrong')).toBe(401);
    expect(await status('/info', { headers: {} })).toBe(401);
    expect(await status('/info')).toBe(200);
    expect(await status('/info', { method: 'GET' })).toBe(200);
  });

  it('refuses malformed requests', async () => {
    expect(await status('/info', { method: 'PATCH' })).toBe(405);
    expect(await status('/nothing')).toBe(404);
    expect(await status('/fetch/a/b', { body: '{"ids":[]}' })).toBe(404);
    expect(await status('/fetch/%zz', { body: '{"ids":[]}' })).toBe(400);
    expect(await status('/fetch', { body: '{"ids":' })).toBe(400);
    expect(await status('/fetch', { body: '[]' })).toBe(400);
    expect(await status('/fetch', { body: 'x'.repeat(1_001) })).toBe(413);
  });
});

describe('the stand-in for Upstash Vector, in a separate process', () => {
  it('prints its address, ends on SIGTERM, and prints nothing else', async () => {
    const main = resolve(import.meta.dirname, '../../dist/dev/upstash-vector/main.js');
    const child = execa('node', [main, '--dimensions', '3', '--token', 'given'], { reject: false });
    for await (const line of child.iterable()) {
      const { url, token } = JSON.parse(line) as { url: string; token: string };
      const index = new Index({ url, token, retry: false });
      await index.upsert({ id: 'a', vector: A });
      expect((await index.fetch(['a']))[0]).toEqual({ id: 'a' });
      child.kill('SIGTERM');
    }
    const { exitCode, stderr } = await child;
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  });
});

const DIMENSIONS = 6;

const values = fc
  .array(fc.integer({ min: -50, max: 50 }), { minLength: DIMENSIONS, maxLength: DIMENSIONS })
  .filter((numbers) => numbers.some((number) => number !== 0))
  .map((numbers) => Float32Array.from(numbers));
const id = fc.integer({ min: 0, max: 40 }).map(String);
const change = fc.oneof(
  { weight: 4, arbitrary: fc.record({ put: id, values }) },
  { weight: 3, arbitrary: fc.record({ drop: id }) },
  { weight: 1, arbitrary: fc.record({ search: values, count: fc.integer({ min: 1, max: 50 }) }) },
);

function scoreOf(metric: Metric, one: Float32Array, other: Float32Array): number {
  const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
  if (metric === 'COSINE') return (1 + dot(one, other) / Math.sqrt(dot(one, one) * dot(other, other))) / 2;
  if (metric === 'DOT_PRODUCT') return Math.min(1, Math.max(0, (1 + dot(one, other)) / 2));
  return 1 / (1 + dot(one, one) - 2 * dot(one, other) + dot(other, other));
}

describe('nearestByUsearch', () => {
  it.each<Metric>(['COSINE', 'EUCLIDEAN'])('finds what a plain search finds, after any changes: %s', (metric) => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), values, (changes, wanted) => {
        const nearest = nearestByUsearch(DIMENSIONS, metric);
        const model = new Map<string, Float32Array>();
        const compare = (target: Float32Array, count: number): void => {
          const found = nearest.search(target, count);
          const best = [...model.values()].map((one) => scoreOf(metric, target, one)).sort((a, b) => b - a);
          expect(new Set(found.map((one) => one.id)).size).toBe(Math.min(count, model.size));
          for (const [at, { id: key, score }] of found.entries()) {
            expect(score).toBeCloseTo(best[at] ?? -1, 4);
            expect(score).toBeCloseTo(scoreOf(metric, target, model.get(key) ?? new Float32Array(DIMENSIONS)), 4);
          }
        };
        for (const step of changes) {
          if ('put' in step) nearest.put(step.put, step.values);
          if ('put' in step) model.set(step.put, step.values);
          if ('drop' in step) expect(nearest.drop(step.drop)).toBe(model.delete(step.drop));
          if ('search' in step) compare(step.search, step.count);
        }
        expect(nearest.size).toBe(model.size);
        compare(wanted, 10);
      }),
      { numRuns: 60 },
    );
  });

  it('scores a dot product of vectors of length 1', () => {
    const nearest = nearestByUsearch(2, 'DOT_PRODUCT');
    nearest.put('same', Float32Array.of(1, 0));
    nearest.put('across', Float32Array.of(0, 1));
    nearest.put('opposite', Float32Array.of(-1, 0));
    expect(nearest.search(Float32Array.of(1, 0), 3)).toEqual([
      { id: 'same', score: 1 },
      { id: 'across', score: 0.5 },
      { id: 'opposite', score: 0 },
    ]);
  });

  it('is empty after it was cleared', () => {
    const nearest = nearestByUsearch(2, 'COSINE');
    nearest.put('a', Float32Array.of(1, 0));
    nearest.clear();
    expect(nearest.search(Float32Array.of(1, 0), 3)).toEqual([]);
    nearest.put('b', Float32Array.of(1, 0));
    expect(nearest.search(Float32Array.of(1, 0), 3)).toEqual([{ id: 'b', score: 1 }]);
  });
});
