import { AppError } from '../../lib/errors.js';
import type { ObjectStore } from '../../lib/ports/store.js';

export interface FailingStore {
  readonly store: ObjectStore;
  /** Calls so far. */
  calls(): number;
}

/** A process that dies at its n-th call of the store, of any kind: before the call, or after it and before its answer. */
export function mortalStore(store: ObjectStore, atCall: number, when: 'before' | 'after'): FailingStore {
  let calls = 0;
  let dead = false;
  const around = async <T>(run: () => Promise<T>): Promise<T> => {
    if (dead) throw death();
    const fatal = ++calls === atCall;
    if (fatal && when === 'before') dead = true;
    if (dead) throw death();
    const result = await run();
    if (fatal) dead = true;
    if (dead) throw death();
    return result;
  };
  return { calls: () => calls, store: wrap(store, around) };
}

/** A store of which the n-th call fails, once, without doing anything. */
export function stumblingStore(store: ObjectStore, atCall: number): FailingStore {
  let calls = 0;
  const around = async <T>(run: () => Promise<T>): Promise<T> => {
    if (++calls === atCall) throw new AppError('store-unavailable', 'out of reach', { hint: 'None.' });
    return run();
  };
  return { calls: () => calls, store: wrap(store, around) };
}

/** A store that refuses to remove what `refuses` names, as a bucket policy or a lock does. */
export function lockedStore(store: ObjectStore, refuses: (name: string) => boolean): ObjectStore {
  return {
    ...store,
    async remove(name) {
      if (refuses(name)) throw new AppError('store-denied', 'AccessDenied', { hint: 'None.' });
      await store.remove(name);
    },
  };
}

/** A store that may be read and nothing else. */
export function readOnlyStore(store: ObjectStore): ObjectStore {
  const refuse = (): Promise<never> =>
    Promise.reject(new AppError('store-denied', 'AccessDenied', { hint: 'Allow it.' }));
  return { ...store, create: refuse, swap: refuse, remove: refuse };
}

/**
 * A store that takes this many bytes in all, names not counted. Like most it needs room for the new object before the old
 * one of that name goes.
 */
export function quotaStore(store: ObjectStore, quota: number): ObjectStore {
  const demandRoom = async (body: Uint8Array): Promise<void> => {
    let used = 0;
    for await (const { size } of store.list('')) used += size;
    if (used + body.length > quota) throw new AppError('store-full', 'QuotaExceeded', { hint: 'Raise it.' });
  };
  return {
    ...store,
    async create(name, body) {
      const found = await store.read(name);
      if (found === null) await demandRoom(body);
      return store.create(name, body);
    },
    async swap(name, body, etag) {
      await demandRoom(body);
      return store.swap(name, body, etag);
    },
  };
}

type Around = <T>(run: () => Promise<T>) => Promise<T>;

function wrap(store: ObjectStore, around: Around): ObjectStore {
  return {
    read: (name) => around(() => store.read(name)),
    create: (name, body) => around(() => store.create(name, body)),
    swap: (name, body, etag) => around(() => store.swap(name, body, etag)),
    remove: (name) => around(() => store.remove(name)),
    list: (prefix) => walk(around, () => store.list(prefix)),
    folders: (prefix) => walk(around, () => store.folders(prefix)),
  };
}

async function* walk<T>(around: Around, open: () => AsyncIterable<T>): AsyncGenerator<T> {
  const items = await around(async () => {
    const found: T[] = [];
    for await (const item of open()) found.push(item);
    return found;
  });
  yield* items;
}

function death(): AppError {
  return new AppError('interrupted', 'this process is dead', { hint: 'None.' });
}
