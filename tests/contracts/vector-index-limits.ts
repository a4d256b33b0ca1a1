import { expect } from '@jest/globals';
import type { StoredVector } from '../../lib/ports/vector-index.js';
import { failure, fan, indexed, towards, vector, walk } from './vector-index-fixture.js';
import type { Define } from './vector-index.js';

export function limitTests(test: Define): void {
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

export function nameTests(test: Define): void {
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
