import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { StoredVector } from '../../lib/ports/vector-index.js';
import fc from '../support/fast-check.js';
import {
  failure,
  fan,
  type Fixture,
  indexed,
  type OpenVectorIndex,
  toFixture,
  towards,
  vector,
  walk,
} from './vector-index-fixture.js';

type Define = (title: string, run: (fixture: Fixture) => Promise<void>) => void;

/**
 * The contract of every VectorIndex. `open` is called once; only namespaces of the suite are changed.
 */
export function vectorIndexContract(name: string, open: () => Promise<OpenVectorIndex>): void {
  describe(`VectorIndex: ${name}`, () => {
    let fixture: Fixture;
    const test: Define = (title, run) => it(title, () => run(fixture));

    beforeAll(async () => {
      fixture = await toFixture(await open());
    });
    afterAll(() => fixture.close());

    writeTests(test);
    removalTests(test);
    walkTests(test);
    queryTests(test);
    limitTests(test);
    nameTests(test);
  });
}

const TEXTS = [
  '',
  ' leading and trailing ',
  'line\nbreak\ttab',
  '"quoted" \\ back',
  'Grüße, 日本, 👩‍👩‍👧',
  '\u0000\u001f',
  '123',
  'true',
  'null',
  'x'.repeat(10_000),
];

function writeTests(test: Define): void {
  test('returns exactly the values and metadata that were written', async ({ index, dimensions, namespace }) => {
    const ns = namespace();
    const values = Float32Array.from({ length: dimensions }, (_, n) => Math.sin(n + 1) / 10);
    const written = TEXTS.map((text, n) => vector(`v-${n}`, values, { title: text, source: 'reddit' }));
    await index.upsert(ns, written);
    const ids = written.map(({ id }) => id);
    expect(await index.fetch(ns, ids)).toEqual(written);
  });

  test('returns any text in metadata, and any 32-bit values', async ({ index, dimensions, namespace }) => {
    const ns = namespace();
    const text = fc.string({ unit: 'grapheme', maxLength: 40 });
    const value = fc.float({ min: -1e6, max: 1e6, noNaN: true }).map((number) => (number === 0 ? 1 : number));
    const item = fc.record({ title: text, source: text, some: fc.array(value, { minLength: 1, maxLength: 8 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(item, { minLength: 1, maxLength: 8 }), async (items) => {
        const written = items.map(({ title, source, some }, n) => {
          const values = Float32Array.from({ length: dimensions }, (_, at) => some[at % some.length] ?? 1);
          return vector(`v-${n}`, values, { title, source });
        });
        await index.upsert(ns, written);
        const ids = written.map(({ id }) => id);
        expect(await index.fetch(ns, ids)).toEqual(written);
      }),
      { numRuns: 12 },
    );
  });

  test('returns vectors in the order of the ids, with null for missing ones', async ({
    index,
    dimensions,
    namespace,
  }) => {
    const ns = namespace();
    const [a, b] = fan(2, dimensions);
    await index.upsert(ns, fan(2, dimensions));
    expect(await index.fetch(ns, ['v-1', 'absent', 'v-0'])).toEqual([b, null, a]);
  });

  test('replaces a vector with the same id completely', async ({ index, dimensions, namespace }) => {
    const ns = namespace();
    await index.upsert(ns, [vector('v', towards(0, dimensions), { title: 'old', source: 'github' })]);
    const fresh = vector('v', towards(90, dimensions), { title: 'new' });
    await index.upsert(ns, [fresh]);
    expect(await index.fetch(ns, ['v'])).toEqual([fresh]);
    await indexed(index, ns, 1);
    expect(await walk(index, ns, 10)).toEqual(['v']);
  });

  test('keeps namespaces apart', async ({ index, dimensions, namespace }) => {
    const [one, other] = [namespace(), namespace()];
    const [mine, theirs] = [
      vector('v', towards(0, dimensions), { title: 'one' }),
      vector('v', towards(90, dimensions), { title: 'other' }),
    ];
    await index.upsert(one, [mine]);
    await index.upsert(other, [theirs]);
    expect(await index.fetch(one, ['v'])).toEqual([mine]);
    expect(await index.fetch(other, ['v'])).toEqual([theirs]);
  });

  test('counts the vectors that queries see, by namespace', async ({ index, dimensions, namespace }) => {
    const ns = namespace();
    await index.upsert(ns, fan(7, dimensions));
    await indexed(index, ns, 7);
    const info = await index.info();
    expect(info.dimensions).toBe(dimensions);
    expect(['COSINE', 'EUCLIDEAN', 'DOT_PRODUCT']).toContain(info.metric);
    expect(info.namespaces[ns]).toEqual({ vectors: 7, pending: 0 });
    expect(info.namespaces).toHaveProperty(['']);
  });
}

function removalTests(test: Define): void {
  test('removes these ids and no others', async ({ index, dimensions, namespace }) => {
    const ns = namespace();
    await index.upsert(ns, fan(4, dimensions));
    await index.remove(ns, ['v-1', 'absent', 'v-3']);
    expect((await walk(index, ns, 10)).sort()).toEqual(['v-0', 'v-2']);
    await indexed(index, ns, 2);
    const found = await index.query(ns, towards(0, dimensions), 10);
    expect(found.map(({ id }) => id).sort()).toEqual(['v-0', 'v-2']);
  });

  test('removes everything in a namespace and nothing elsewhere', async ({ index, dimensions, namespace }) => {
    const [one, other] = [namespace(), namespace()];
    await index.upsert(one, fan(3, dimensions));
    await index.upsert(other, fan(2, dimensions));
    await index.remove(one, 'all');
    expect(await walk(index, one, 10)).toEqual([]);
    expect(await index.fetch(one, ['v-0'])).toEqual([null]);
    expect(await index.query(one, towards(0, dimensions), 5)).toEqual([]);
    expect((await walk(index, other, 10)).sort()).toEqual(['v-0', 'v-1']);
  });

  test('can be written to again after everything was removed', async ({ index, dimensions, namespace }) => {
    const ns = namespace();
    await index.upsert(ns, fan(3, dimensions));
    await index.remove(ns, 'all');
    await index.upsert(ns, fan(1, dimensions));
    await indexed(index, ns, 1);
    expect((await index.query(ns, towards(0, dimensions), 5)).map(({ id }) => id)).toEqual(['v-0']);
  });

  test('does not fail if there is nothing to remove', async ({ index, namespace }) => {
    const ns = namespace('-never-written');
    await index.remove(ns, ['absent']);
    await index.remove(ns, 'all');
    expect(await walk(index, ns, 10)).toEqual([]);
  });
}

function walkTests(test: Define): void {
  test('returns each vector of a walk once, for any page size', async ({ index, dimensions, namespace }) => {
    const ns = namespace();
    const written = fan(23, dimensions);
    await index.upsert(ns, written);
    const ids = written.map(({ id }) => id).sort();
    for (const limit of [1, 5, 22, 23, 24, 1_000]) expect((await walk(index, ns, limit)).sort()).toEqual(ids);
  });

  test('returns metadata with each vector of a walk', async ({ index, dimensions, namespace }) => {
    const ns = namespace();
    await index.upsert(ns, [vector('v', towards(0, dimensions), { title: 'T', cluster_id: '' })]);
    expect(await index.range(ns, null, 10)).toEqual({
      vectors: [{ id: 'v', metadata: { title: 'T', cluster_id: '' } }],
      next: null,
    });
  });

  test('finds nothing in a namespace that does not exist', async ({ index, dimensions, namespace }) => {
    const ns = namespace('-never-written');
    expect(await index.range(ns, null, 10)).toEqual({ vectors: [], next: null });
    expect(await index.fetch(ns, ['a', 'b'])).toEqual([null, null]);
    expect(await index.query(ns, towards(0, dimensions), 3)).toEqual([]);
    expect((await index.info()).namespaces).not.toHaveProperty([ns]);
  });
}

function queryTests(test: Define): void {
  test('finds the nearest, best first, with their metadata', async ({ index, dimensions, namespace }) => {
    const ns = namespace();
    const degrees = [0, 20, 45, 90, 180];
    await index.upsert(
      ns,
      degrees.map((angle) => vector(`at-${angle}`, towards(angle, dimensions), { title: String(angle) })),
    );
    await indexed(index, ns, degrees.length);
    const found = await index.query(ns, towards(0, dimensions), 10);
    expect(found.map(({ id, metadata }) => [id, metadata])).toEqual(
      degrees.map((angle) => [`at-${angle}`, { title: String(angle) }]),
    );
  });

  test('scores a cosine as (1 + cos) / 2', async ({ index, dimensions, namespace }) => {
    const ns = namespace();
    const degrees = [0, 60, 90, 180];
    await index.upsert(
      ns,
      degrees.map((angle) => vector(`at-${angle}`, towards(angle, dimensions))),
    );
    await indexed(index, ns, degrees.length);
    const scores = (await index.query(ns, towards(0, dimensions), 10)).map(({ score }) => score);
    for (const [at, score] of [1, 0.75, 0.5, 0].entries()) expect(scores[at]).toBeCloseTo(score, 2);
  });

  test('returns as many as requested, or as many as exist', async ({ index, dimensions, namespace }) => {
    const ns = namespace();
    await index.upsert(ns, fan(9, dimensions));
    await indexed(index, ns, 9);
    expect(await index.query(ns, towards(0, dimensions), 4)).toHaveLength(4);
    expect(await index.query(ns, towards(0, dimensions), 1_000)).toHaveLength(9);
  });

  test('finds each vector with itself', async ({ index, dimensions, namespace }) => {
    const ns = namespace();
    const written = fan(30, dimensions);
    await index.upsert(ns, written);
    await indexed(index, ns, 30);
    for (const { id, values } of written) {
      const [best] = await index.query(ns, values, 1);
      expect(best?.id).toBe(id);
      expect(best?.score).toBeCloseTo(1, 2);
    }
  });
}

function limitTests(test: Define): void {
  test('accepts 1,000 vectors at a time', async ({ index, dimensions, namespace }) => {
    const ns = namespace();
    const written = Array.from({ length: 1_000 }, (_, n) =>
      vector(
        `v-${n}`,
        Float32Array.from({ length: dimensions }, (_, at) => Math.sin(n * 7 + at)),
        { title: String(n) },
      ),
    );
    const ids = written.map(({ id }) => id);
    await index.upsert(ns, written);
    const found = await index.fetch(ns, ids);
    // Jest would compare the numbers one by one, for seconds.
    expect(found.map((one) => one?.metadata)).toEqual(written.map(({ metadata }) => metadata));
    expect(found.every((one, n) => one !== null && sameValues(one, written[n]))).toBe(true);
    expect((await index.range(ns, null, 1_000)).vectors).toHaveLength(1_000);
    await index.remove(ns, ids);
    expect(await walk(index, ns, 1_000)).toEqual([]);
  });

  test('refuses more than that, and a page of none, as a fault of the caller', async ({
    index,
    dimensions,
    namespace,
  }) => {
    const ns = namespace();
    const ids = Array.from({ length: 1_001 }, (_, n) => `v-${n}`);
    const values = towards(0, dimensions);
    const calls = [
      index.upsert(
        ns,
        ids.map((id) => vector(id, values)),
      ),
      index.fetch(ns, ids),
      index.remove(ns, ids),
      index.range(ns, null, 1_001),
      index.range(ns, null, 0),
      index.query(ns, values, 1_001),
      index.query(ns, values, 0),
      index.upsert(ns, [vector('v', Float32Array.of(Number.NaN))]),
    ];
    for (const call of calls) expect(await failure(call)).toMatchObject({ code: 'internal', transient: false });
    expect(await walk(index, ns, 10)).toEqual([]);
  });

  test('does nothing for empty lists', async ({ index, namespace }) => {
    const ns = namespace();
    await index.upsert(ns, []);
    await index.remove(ns, []);
    expect(await index.fetch(ns, [])).toEqual([]);
    expect((await index.info()).namespaces).not.toHaveProperty([ns]);
  });

  test('refuses vectors of another dimension', async ({ index, dimensions, namespace }) => {
    const ns = namespace();
    await index.upsert(ns, fan(1, dimensions));
    const short = towards(0, dimensions - 1);
    const expected = { code: 'vector-mismatch', transient: false };
    expect(await failure(index.upsert(ns, [vector('short', short)]))).toMatchObject(expected);
    expect(await failure(index.query(ns, short, 1))).toMatchObject(expected);
    expect(await index.fetch(ns, ['short'])).toEqual([null]);
  });
}

function nameTests(test: Define): void {
  test('accepts namespaces and ids of any characters', async ({ index, dimensions, namespace }) => {
    const names = [' a b', '/c/d', '?e=f&g#h', '%2F%', 'Grüße 日本 👋', '..', '"\\', '+;:@,'].map((end) =>
      namespace(end),
    );
    for (const name of names) await index.upsert(name, [vector(name, towards(0, dimensions), { title: name })]);
    for (const name of names) {
      await indexed(index, name, 1);
      expect(await walk(index, name, 10)).toEqual([name]);
      expect(await index.fetch(name, [name])).toMatchObject([{ id: name, metadata: { title: name } }]);
      expect(await index.query(name, towards(0, dimensions), 3)).toMatchObject([{ id: name }]);
    }
    for (const name of names) {
      await index.remove(name, [name]);
      expect(await walk(index, name, 10)).toEqual([]);
    }
  });

  test('refuses a namespace that no URL can name', async ({ index, dimensions }) => {
    for (const name of ['.', '..', '\ud800']) {
      expect(await failure(index.upsert(name, fan(1, dimensions)))).toMatchObject({ code: 'invalid' });
      expect(await failure(index.remove(name, 'all'))).toMatchObject({ code: 'invalid' });
    }
  });
}

function sameValues(one: StoredVector, other: StoredVector | undefined): boolean {
  return other !== undefined && Buffer.from(one.values.buffer).equals(Buffer.from(other.values.buffer));
}
