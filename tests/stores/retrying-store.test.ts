import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { retryingStore } from '../../lib/stores/retrying.js';
import { AppError } from '../../lib/errors.js';
import type { ObjectStore, StoredObject } from '../../lib/ports/store.js';
import { collect } from '../contracts/object-store.js';

const POLICY = { attempts: 3, baseMs: 1, capMs: 10 };
const clock = { now: () => 0, sleep: () => Promise.resolve() };
const failure = (transient: boolean) => new AppError('store-unavailable', 'down', { hint: 'wait', transient });

/** A store over fixed names whose listings break where `breaks` says: after this many items of the next listing. */
function brittle(names: readonly string[], breaks: number[], transient = true) {
  const counts = { opened: 0, closed: 0, calls: 0 };
  async function* walk<T>(items: readonly T[]): AsyncGenerator<T> {
    counts.opened++;
    const breakAfter = breaks.shift() ?? Infinity;
    try {
      for (const [at, item] of items.entries()) {
        if (at >= breakAfter) throw failure(transient);
        yield await Promise.resolve(item);
      }
      if (breakAfter >= items.length && breakAfter !== Infinity) throw failure(transient);
    } finally {
      counts.closed++;
    }
  }
  const call = <T>(value: T) => {
    counts.calls++;
    return breaks.shift() === undefined ? Promise.resolve(value) : Promise.reject(failure(transient));
  };
  const objects: StoredObject[] = names.map((name) => ({ name, size: 1, modifiedAt: 2 }));
  const store: ObjectStore = {
    read: () => call({ body: Buffer.from('x'), etag: 'e' }),
    create: () => call({ created: true as const, etag: 'e' }),
    swap: () => call('e2'),
    remove: () => call(undefined),
    list: () => walk(objects),
    folders: () => walk(names),
  };
  return { store, counts };
}

describe('single calls', () => {
  const calls: [string, (store: ObjectStore) => Promise<unknown>, unknown][] = [
    ['read', (store) => store.read('a'), { body: Buffer.from('x'), etag: 'e' }],
    ['create', (store) => store.create('a', Buffer.from('x')), { created: true, etag: 'e' }],
    ['swap', (store) => store.swap('a', Buffer.from('x'), 'e'), 'e2'],
    ['remove', (store) => store.remove('a'), undefined],
  ];

  it.each(calls)('%s is retried, up to the limit of the policy', async (_, run, expected) => {
    const twice = brittle([], [0, 0]);
    expect(await run(retryingStore(twice.store, clock, POLICY))).toEqual(expected);
    expect(twice.counts.calls).toBe(3);
    const always = brittle([], [0, 0, 0, 0]);
    await expect(run(retryingStore(always.store, clock, POLICY))).rejects.toMatchObject({ transient: true });
    expect(always.counts.calls).toBe(3);
  });

  it.each(calls)('%s is not retried after a permanent failure', async (_, run) => {
    const { store, counts } = brittle([], [0], false);
    await expect(run(retryingStore(store, clock, POLICY))).rejects.toMatchObject({ transient: false });
    expect(counts.calls).toBe(1);
  });
});

describe('listings', () => {
  it('repeat and lose nothing, wherever they break off', async () => {
    const names = fc.uniqueArray(
      fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'a-b', 'a/b', 'a.b', 'b-', 'b/x'),
      {
        maxLength: 12,
      },
    );
    const breaks = fc.array(fc.nat(13), { maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(names, breaks, async (unsorted, at) => {
        const sorted = [...unsorted].sort();
        const { store, counts } = brittle(sorted, [...at]);
        const listed = await collect(retryingStore(store, clock, POLICY).list(''));
        expect(listed.map((object) => object.name)).toEqual(sorted);
        const again = brittle(sorted, [...at]);
        expect(await collect(retryingStore(again.store, clock, POLICY).folders(''))).toEqual(sorted);
        expect(counts.closed).toBe(counts.opened);
      }),
    );
  });

  it('continue while they make progress, and give up otherwise', async () => {
    const further = brittle(['a', 'b', 'c', 'd', 'e', 'f'], [1, 2, 3, 4, 5, 6]);
    expect(await collect(retryingStore(further.store, clock, POLICY).folders(''))).toHaveLength(6);
    const stuck = brittle(['a', 'b', 'c'], [1, 1, 1, 1]);
    await expect(collect(retryingStore(stuck.store, clock, POLICY).folders(''))).rejects.toMatchObject({
      transient: true,
    });
    expect(stuck.counts.opened).toBe(3);
  });

  it('are closed when the reader stops early', async () => {
    const { store, counts } = brittle(['a', 'b', 'c'], []);
    for await (const name of retryingStore(store, clock, POLICY).folders('')) if (name === 'a') break;
    expect(counts).toMatchObject({ opened: 1, closed: 1 });
  });

  it('are not started again after a permanent failure', async () => {
    const { store, counts } = brittle(['a', 'b'], [1], false);
    await expect(collect(retryingStore(store, clock, POLICY).list(''))).rejects.toMatchObject({ transient: false });
    expect(counts.opened).toBe(1);
  });
});
