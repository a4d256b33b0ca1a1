import type { Clock } from '../../../lib/ports/clock.js';
import type { ObjectStore } from '../../../lib/ports/store.js';

/**
 * A copy of a store in memory. For tests that need hundreds of stores, each a little further in time: what is tested is
 * the order of calls, which no other store changes.
 */
export async function memoryCopy(
  source: Pick<ObjectStore, 'list' | 'read'>,
  stamps?: Pick<Clock, 'now'>,
): Promise<ObjectStore> {
  const objects = new Map<string, Held>();
  let tag = 0;
  const put = (name: string, body: Uint8Array): string => {
    const etag = String(++tag);
    objects.set(name, { body: Buffer.from(body), etag, modifiedAt: stamps?.now() ?? 0 });
    return etag;
  };
  for await (const { name, modifiedAt } of source.list('')) {
    const found = await source.read(name);
    if (found !== null) objects.set(name, { body: found.body, etag: String(++tag), modifiedAt });
  }
  const under = (prefix: string): string[] => [...objects.keys()].filter((name) => name.startsWith(prefix)).sort();
  return {
    read: (name) => Promise.resolve(objects.get(name) ?? null),
    create(name, body) {
      const found = objects.get(name);
      if (found === undefined) return Promise.resolve({ created: true, etag: put(name, body) });
      return Promise.resolve(found.body.equals(body) ? { created: true, etag: found.etag } : { created: false });
    },
    swap: (name, body, etag) => Promise.resolve(objects.get(name)?.etag === etag ? put(name, body) : null),
    remove: (name) => Promise.resolve(void objects.delete(name)),
    async *list(prefix) {
      for (const name of await Promise.resolve(under(prefix))) {
        const { body, modifiedAt } = objects.get(name) ?? { body: Buffer.alloc(0), modifiedAt: 0 };
        yield { name, size: body.length, modifiedAt };
      }
    },
    async *folders(prefix) {
      const names = (await Promise.resolve(under(prefix))).map((name) => name.slice(prefix.length));
      yield* new Set(names.filter((name) => name.includes('/')).map((name) => name.split('/')[0] ?? ''));
    },
  };
}

interface Held {
  readonly body: Buffer;
  readonly etag: string;
  readonly modifiedAt: number;
}
