import { describe, expect, it } from '@jest/globals';
import { overlayStore } from '../../lib/control/overlay-store.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import { manualClock } from '../support/manual-clock.js';
import { readOnlyStore } from '../support/failing-store.js';
import { memoryCopy } from '../retention/prune/memory-store.js';

const NOTHING = { list: () => none(), read: () => Promise.resolve(null) };
async function* none(): AsyncGenerator<never> {
  // Nothing is there.
}
const bytes = (text: string): Buffer => Buffer.from(text);

async function over(objects: Readonly<Record<string, string>>): Promise<ObjectStore> {
  const base = await memoryCopy(NOTHING);
  for (const [name, body] of Object.entries(objects)) await base.create(name, bytes(body));
  return overlayStore(readOnlyStore(base), manualClock(0));
}

async function namesOf(items: AsyncIterable<string | { readonly name: string }>): Promise<string[]> {
  const found: string[] = [];
  for await (const item of items) found.push(typeof item === 'string' ? item : item.name);
  return found;
}

describe('a store whose control state stays in memory', () => {
  it('reads stored objects and those written here, which never reach the store below', async () => {
    const store = await over({ 'runs/b/run.json': '{"a":1}', 'snapshots/s/manifest.json': '{}' });
    expect(await store.create('runs/a/run.json', bytes('{}'))).toMatchObject({ created: true });
    expect(await store.create('runs/a/run.json', bytes('{}'))).toMatchObject({ created: true });
    expect(await store.create('runs/b/run.json', bytes('{"a":2}'))).toEqual({ created: false });
    expect((await store.read('snapshots/s/manifest.json'))?.body.toString()).toBe('{}');
    expect(await namesOf(store.list('runs/'))).toEqual(['runs/a/run.json', 'runs/b/run.json']);
    expect(await namesOf(store.folders('runs/'))).toEqual(['a', 'b']);
    expect(await namesOf(store.folders(''))).toEqual(['runs', 'snapshots']);
  });

  it('swaps by the etag of either, once, and removes', async () => {
    const store = await over({ 'guard/state.json': '{"a":1}' });
    const etag = (await store.read('guard/state.json'))?.etag ?? '';
    const [one, two] = await Promise.all([
      store.swap('guard/state.json', bytes('{"a":2}'), etag),
      store.swap('guard/state.json', bytes('{"a":3}'), etag),
    ]);
    expect([one, two].filter((each) => each !== null)).toHaveLength(1);
    expect(await store.swap('guard/state.json', bytes('{}'), etag)).toBeNull();
    await store.remove('guard/state.json');
    expect(await store.read('guard/state.json')).toBeNull();
    expect(await namesOf(store.list('guard/'))).toEqual([]);
    expect(await store.swap('guard/none.json', bytes('{}'), 'x')).toBeNull();
  });

  it('shows only leases that were written here', async () => {
    const store = await over({ 'leases/database.json': '{"holder":"x"}' });
    expect(await store.read('leases/database.json')).toBeNull();
    expect(await namesOf(store.list(''))).toEqual([]);
    expect(await store.create('leases/database.json', bytes('{}'))).toMatchObject({ created: true });
    expect(await namesOf(store.list('leases/'))).toEqual(['leases/database.json']);
  });

  it.each(['snapshots/s/manifest.json', 'snapshots/s/part-000000.gz', 'pruned/s.json'])(
    'does not pretend to have stored %s',
    async (name) => {
      const store = await over({});
      await expect(store.create(name, bytes('{}'))).rejects.toMatchObject({ code: 'store-denied' });
      await expect(store.remove(name)).rejects.toThrow('was not written');
    },
  );
});
