import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { ObjectStore, StoredBody, StoredObject } from '../ports/store.js';
import { isControlName } from './authenticated-store.js';

const PROBES = 'probe/';
const LEASES = 'leases/';

interface Held extends StoredBody {
  /** Milliseconds since the epoch, by this machine's clock. */
  readonly modifiedAt: number;
}

/**
 * A store that keeps writes of control state in the memory of this process: for work on a store that takes no writes.
 * Everything else is read from `base`. The leases of `base` are hidden: a process that cannot write one cannot hold one, and
 * its age could only be measured by another clock. Other writes throw `store-denied`, so that no snapshot seems to be
 * stored when it is not.
 */
export function overlayStore(base: ObjectStore, clock: Pick<Clock, 'now'>): ObjectStore {
  /** Null: removed here. */
  const memory = new Map<string, Held | null>();
  let writes = 0;

  const put = (name: string, body: Uint8Array): string => {
    const etag = `memory-${++writes}`;
    memory.set(name, { body: Buffer.from(body), etag, modifiedAt: clock.now() });
    return etag;
  };
  const load = async (name: string): Promise<StoredBody | null> => {
    if (memory.has(name) || isHidden(name)) return memory.get(name) ?? null;
    return base.read(name);
  };
  /** The object at this moment: `found` was read before, and this process may have written since. */
  const current = (name: string, found: StoredBody | null): StoredBody | null => {
    const held = memory.get(name);
    return held === undefined ? found : held;
  };

  return {
    ...base,
    read: load,
    async create(name, body) {
      assertControlName(name);
      const loaded = await load(name);
      const found = current(name, loaded);
      if (found === null) return { created: true, etag: put(name, body) };
      return found.body.equals(body) ? { created: true, etag: found.etag } : { created: false };
    },
    async swap(name, body, etag) {
      assertControlName(name);
      const found = await load(name);
      return current(name, found)?.etag === etag ? put(name, body) : null;
    },
    async remove(name) {
      assertControlName(name);
      await Promise.resolve(memory.set(name, null));
    },
    async *list(prefix) {
      const own = heldUnder(memory, prefix);
      if (!isHidden(prefix)) {
        for await (const object of base.list(prefix)) {
          while (own[0] !== undefined && own[0].name < object.name) yield own.shift() as StoredObject;
          if (!memory.has(object.name) && !isHidden(object.name)) yield object;
        }
      }
      yield* own;
    },
    async *folders(prefix) {
      const names = new Set(heldUnder(memory, prefix).flatMap(({ name }) => folderIn(name.slice(prefix.length))));
      if (!isHidden(prefix)) for await (const folder of base.folders(prefix)) names.add(folder);
      yield* [...names].sort();
    },
  };
}

function isHidden(name: string): boolean {
  return name.startsWith(LEASES);
}

function heldUnder(memory: ReadonlyMap<string, Held | null>, prefix: string): StoredObject[] {
  const found = [...memory].flatMap(([name, held]): StoredObject[] =>
    held === null || !name.startsWith(prefix) ? [] : [{ name, size: held.body.length, modifiedAt: held.modifiedAt }],
  );
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function folderIn(rest: string): string[] {
  const end = rest.indexOf('/');
  return end < 0 ? [] : [rest.slice(0, end)];
}

function assertControlName(name: string): void {
  if (isControlName(name) || name.startsWith(PROBES)) return;
  throw new AppError('store-denied', `${name} was not written: this command keeps its state in memory`, {
    hint: 'Taking and removing snapshots needs credentials that may write to the store.',
  });
}
