import { parseStored } from '../json.js';
import type { ObjectStore, StoredBody, StoredObject } from '../ports/store.js';
import { isOver, runRecordSchema } from '../runs/model.js';

/** Objects as the last request of this process read them. */
export type Memory = Map<string, { readonly found: StoredBody; readonly version: string | null }>;

const RUN_RECORD = /^runs\/[^/]+\/run\.json$/;
const GUARD = 'guard/';
/** Often the only object that is read: a listing would double the cost. */
const ALONE = /^guard\/status(-[^/]+)?\.json$/;
/** Limits of the cache: a function's memory is small. */
const MAX_OBJECTS = 1000;
const MAX_BYTES = 256 * 1024;

/**
 * The store for one read-only request, with a cache of objects that earlier requests have read. A cached object is used if it is
 * the record of a run that is over, which never changes, or if a listing of this request shows the cached version. `guard/`
 * is listed once for that, since a status reads several of its objects, of which most deployments have only some: objects
 * missing from the listing are not read. Nothing is listed twice.
 */
export function rememberingStore(store: ObjectStore, memory: Memory): ObjectStore {
  const listed = new Map<string, string>();
  const listings = new Map<string, Map<string, StoredObject>>();
  let guard: Promise<ReadonlyMap<string, StoredObject>> | null = null;

  async function* listing(prefix: string): ReturnType<ObjectStore['list']> {
    for (const [wider, objects] of listings) {
      if (!prefix.startsWith(wider)) continue;
      for (const object of objects.values()) if (object.name.startsWith(prefix)) yield object;
      return;
    }
    const objects = new Map<string, StoredObject>();
    for await (const object of store.list(prefix)) {
      if (object.version !== undefined)
        listed.set(object.name, `${object.version} ${object.modifiedAt} ${object.size}`);
      if (objects.size <= MAX_OBJECTS) objects.set(object.name, object);
      yield object;
    }
    if (objects.size <= MAX_OBJECTS) listings.set(prefix, objects);
  }
  const listGuard = async (): Promise<ReadonlyMap<string, StoredObject>> => {
    const objects = new Map<string, StoredObject>();
    for await (const object of listing(GUARD)) objects.set(object.name, object);
    return objects;
  };
  const keep = (name: string, found: StoredBody, version: string | null): void => {
    if (found.body.length > MAX_BYTES || (version === null && !isFinal(name, found.body))) return;
    memory.delete(name);
    memory.set(name, { found, version });
    for (const oldest of memory.keys()) if (memory.size > MAX_OBJECTS) memory.delete(oldest);
  };
  const forget = (name: string): void => {
    memory.delete(name);
    listed.delete(name);
    for (const prefix of listings.keys()) if (name.startsWith(prefix)) listings.delete(prefix);
    if (name.startsWith(GUARD)) guard = null;
  };

  return {
    ...store,
    async read(name) {
      if (name.startsWith(GUARD) && !ALONE.test(name) && !(await (guard ??= listGuard())).has(name)) return null;
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
  const run = parseStored(runRecordSchema, body);
  return run !== null && isOver(run) && run.hidden !== true;
}
