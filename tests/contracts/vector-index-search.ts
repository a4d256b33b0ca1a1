import { expect } from '@jest/globals';
import { fan, indexed, towards, vector, walk } from './vector-index-fixture.js';
import type { Define } from './vector-index.js';

export function walkTests(test: Define): void {
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

export function queryTests(test: Define): void {
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
