import type { ObjectStore } from '../ports/store.js';

/** The store that `open` gives, opened once, at the first call: for an SDK that takes long to load. */
export function lazyStore(open: () => Promise<ObjectStore>): ObjectStore {
  let opened: Promise<ObjectStore> | undefined;
  const store = (): Promise<ObjectStore> => (opened ??= open());
  return {
    read: async (name) => (await store()).read(name),
    create: async (name, body) => (await store()).create(name, body),
    swap: async (name, body, etag) => (await store()).swap(name, body, etag),
    remove: async (name) => (await store()).remove(name),
    async *list(prefix) {
      yield* (await store()).list(prefix);
    },
    async *folders(prefix) {
      yield* (await store()).folders(prefix);
    },
  };
}
