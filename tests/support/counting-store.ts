import type { ObjectStore } from '../../lib/ports/store.js';

/** What one listing request of S3 shows at most. */
const PAGE = 1000;

export interface CountingStore {
  readonly store: ObjectStore;
  /** Requests since the last call: each read, and each page of a listing. */
  reads(): number;
  writes(): number;
  /** The names of the objects that were read since the last call of `reads`. */
  names(): readonly string[];
}

/** The same store, which counts the requests that S3 would be sent. */
export function countingStore(base: ObjectStore): CountingStore {
  let names: string[] = [];
  let writes = 0;
  async function* paged<T>(items: AsyncIterable<T>, what: string): AsyncGenerator<T> {
    let seen = 0;
    names.push(`${what}*`);
    for await (const item of items) {
      if (seen > 0 && seen % PAGE === 0) names.push(`${what}*`);
      seen += 1;
      yield item;
    }
  }
  return {
    store: {
      read: (name) => (names.push(name), base.read(name)),
      create: (name, body) => ((writes += 1), base.create(name, body)),
      swap: (name, body, etag) => ((writes += 1), base.swap(name, body, etag)),
      remove: (name) => ((writes += 1), base.remove(name)),
      list: (prefix) => paged(base.list(prefix), prefix),
      folders: (prefix) => paged(base.folders(prefix), prefix),
    },
    reads: () => {
      const count = names.length;
      names = [];
      return count;
    },
    writes: () => {
      const count = writes;
      writes = 0;
      return count;
    },
    names: () => [...names],
  };
}
