import { decodeJson } from '../json.js';
import type { ObjectStore, StoredBody } from '../ports/store.js';
import { isOver, runRecordSchema } from '../runs/model.js';

/** Objects as the last request of this process read them. */
export type Memory = Map<string, { readonly found: StoredBody; readonly version: string | null }>;

const RUN_RECORD = /^runs\/[^/]+\/run\.json$/;
const GUARD = 'guard/';
/** Where it is all that is wanted, the listing would cost as much again. */
const ALONE = /^guard\/status(-[^/]+)?\.json$/;
/** More or larger ones are not kept: a function's memory is small. */
const MOST = 1000;
const LARGEST_BYTES = 256 * 1024;

/**
 * The same store for one request that only looks, which spares reading what an earlier one has read: the record of a run
 * that is over, which nobody writes any more, and an object that a listing of this request shows in the version in which
 * it was read. `guard/` is listed for that once, since a status reads several of its objects.
 */
export function rememberingStore(store: ObjectStore, memory: Memory): ObjectStore {
  const listed = new Map<string, string>();
  let guardListed: Promise<void> | null = null;

  async function* listing(prefix: string): ReturnType<ObjectStore['list']> {
    for await (const object of store.list(prefix)) {
      if (object.version !== undefined)
        listed.set(object.name, `${object.version} ${object.modifiedAt} ${object.size}`);
      yield object;
    }
  }
  const listGuard = async (): Promise<void> => {
    const objects = listing(GUARD)[Symbol.asyncIterator]();
    while ((await objects.next()).done !== true);
  };
  const keep = (name: string, found: StoredBody, version: string | null): void => {
    if (found.body.length > LARGEST_BYTES || (version === null && !isFinal(name, found.body))) return;
    memory.delete(name);
    memory.set(name, { found, version });
    for (const oldest of memory.keys()) if (memory.size > MOST) memory.delete(oldest);
  };
  const forget = (name: string): void => {
    memory.delete(name);
    listed.delete(name);
  };

  return {
    ...store,
    async read(name) {
      if (name.startsWith(GUARD) && !ALONE.test(name)) await (guardListed ??= listGuard());
      const version = listed.get(name) ?? null;
      const known = memory.get(name);
      if (known !== undefined && known.version === version) return known.found;
      const found = await store.read(name);
      if (found !== null) keep(name, found, version);
      return found;
    },
    create: (name, body) => (forget(name), store.create(name, body)),
    swap: (name, body, etag) => (forget(name), store.swap(name, body, etag)),
    remove: (name) => (forget(name), store.remove(name)),
    list: listing,
  };
}

function isFinal(name: string, body: Buffer): boolean {
  if (!RUN_RECORD.test(name)) return false;
  try {
    const run = runRecordSchema.parse(decodeJson(body));
    return isOver(run) && run.hidden !== true;
  } catch {
    return false;
  }
}
