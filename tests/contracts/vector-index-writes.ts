import { expect } from '@jest/globals';
import fc from '../support/fast-check.js';
import { fan, indexed, towards, vector, walk } from './vector-index-fixture.js';
import type { Define } from './vector-index.js';

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

export function writeTests(test: Define): void {
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

export function removalTests(test: Define): void {
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
