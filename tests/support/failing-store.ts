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
