import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ed25519Signer, generateSigningKey } from '../../lib/crypto/ed25519.js';
import { silentLog } from '../../lib/app/in-process.js';
import { authenticatedStore } from '../../lib/control/authenticated-store.js';
import { decodeJson, encodeJson } from '../../lib/json.js';
import type { LogFields } from '../../lib/ports/index.js';
import type { Signer } from '../../lib/ports/crypto.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { overlayStore } from '../../lib/control/overlay-store.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import { manualClock } from '../support/clocks.js';
import { readOnlyStore } from '../support/failing-store.js';
import { memoryCopy } from '../retention/prune/memory-store.js';

const pair = generateSigningKey();
const keyed = ed25519Signer({ privateKey: pair.privateKey, publicKey: null });
const keyless = ed25519Signer({ privateKey: null, publicKey: null });
const RUN = 'runs/20261122T020000Z-x7k2m9/run.json';
const NAMES = [
  RUN,
  'runs/20261122T020000Z-x7k2m9/tasks/check-000000.json',
  'runs/20261122T020000Z-x7k2m9/parts/part-00000-00001.json',
  'leases/database.json',
  'webhooks/msg_1.json',
  'drills/20261122T020000Z-x7k2m9.json',
  'guard/state.json',
  'guard/databases/0123456789abcdef.json',
  'credentials/github-token.json',
  'rotations/20261122T020000Z-x7k2m9.json',
  'catalog.json',
  'snapshots/20261122T020000Z-x7k2m9/verification.json',
  'snapshots/20261122T020000Z-x7k2m9/accepted.json',
  'snapshots/20261122T020000Z-x7k2m9/adopted.json',
];
const OTHERS = [
  'snapshots/20261122T020000Z-x7k2m9/manifest.json',
  'snapshots/20261122T020000Z-x7k2m9/part-00000-00001.jsonl.gz',
  'pruned/20261122T020000Z-x7k2m9.json',
  'probe/1',
];

/** JSON that no recursion goes through. */
const DEEP = `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`;

let folder: FolderStore;
let warned: (readonly [string, LogFields])[];
const open = (signer: Signer) =>
  authenticatedStore(folder.store, signer, {
    ...silentLog(),
    warn: (event, fields = {}) => void warned.push([event, fields]),
  });
const put = async (name: string, body: string | Uint8Array): Promise<void> => {
  await folder.store.remove(name);
  await folder.store.create(name, Buffer.from(body));
};
const contentOf = async (signer: Signer, name: string): Promise<unknown> => {
  const found = await open(signer).read(name);
  return found === null ? null : decodeJson(found.body);
};

beforeEach(async () => {
  folder = await folderStore();
  warned = [];
});
afterEach(() => folder.remove());

describe('control state', () => {
  it.each(NAMES)('is signed and comes back as it was: %s', async (name) => {
    const store = open(keyed);
    const content = { a: 1, ['__proto__']: 'x', nested: { b: [null, 'ü', 1e300] } };
    const made = await store.create(name, encodeJson(content));
    expect(made.created).toBe(true);
    expect(await contentOf(keyed, name)).toEqual(content);
    const raw = decodeJson((await folder.store.read(name))?.body ?? Buffer.from('')) as Record<string, unknown>;
    expect(raw).toMatchObject({ ...content, auth: { signature: expect.any(String) } });
    const etag = (await store.read(name))?.etag ?? '';
    expect(await store.swap(name, encodeJson({ a: 2 }), etag)).not.toBeNull();
    expect(await contentOf(keyed, name)).toEqual({ a: 2 });
  });

  it.each(OTHERS)('does not include %s', async (name) => {
    await open(keyed).create(name, Buffer.from('as it is'));
    expect((await folder.store.read(name))?.body.toString()).toBe('as it is');
    expect((await open(keyed).read(name))?.body.toString()).toBe('as it is');
  });

  it.each(NAMES)('is ignored when it is unsigned, signed by another key, moved or altered: %s', async (name) => {
    const stranger = ed25519Signer({ ...generateSigningKey(), publicKey: null });
    await put(name, encodeJson({ a: 1 }));
    expect(await contentOf(keyed, name)).toBeNull();

    await folder.store.remove(name);
    await open(stranger).create(name, encodeJson({ a: 1 }));
    expect(await contentOf(keyed, name)).toBeNull();

    await folder.store.remove('runs/other.json');
    await open(keyed).create('runs/other.json', encodeJson({ a: 1 }));
    await put(name, (await folder.store.read('runs/other.json'))?.body ?? '');
    expect(await contentOf(keyed, name)).toBeNull();

    await folder.store.remove(name);
    await open(keyed).create(name, encodeJson({ a: 1 }));
    const raw = decodeJson((await folder.store.read(name))?.body ?? Buffer.from('')) as object;
    for (const forged of [
      { ...raw, a: 2 },
      { ...raw, b: 1 },
      { ...raw, auth: null },
      { ...raw, auth: {} },
    ]) {
      await put(name, encodeJson(forged));
      expect(await contentOf(keyed, name)).toBeNull();
    }
  });

  it.each(['', '{"a":', '[]', 'null', '17', '"text"', Buffer.from([0, 255, 1]), 'x'.repeat(5_000_000), DEEP])(
    'does not count when it is no JSON object, with or without keys (%#)',
    async (body) => {
      await put(RUN, body);
      for (const signer of [keyed, keyless]) {
        const store = open(signer);
        expect(await store.read(RUN)).toBeNull();
        expect(store.ignoredObjects()).toMatchObject([{ object: RUN }]);
        expect(await store.create(RUN, encodeJson({ mine: true }))).toMatchObject({ created: true });
        expect(await contentOf(signer, RUN)).toEqual({ mine: true });
        await put(RUN, body);
      }
    },
  );

  it('is logged once when it is ignored, and replaced by a new object of its name', async () => {
    const store = open(keyed);
    await put(RUN, encodeJson({ forged: true }));
    for (let time = 0; time < 3; time++) expect(await store.read(RUN)).toBeNull();
    expect(warned).toEqual([['control-object-ignored', { object: RUN, why: 'unsigned' }]]);
    expect(await store.create(RUN, encodeJson({ mine: true }))).toMatchObject({ created: true });
    expect(await store.create(RUN, encodeJson({ other: true }))).toEqual({ created: false });
    expect(await contentOf(keyed, RUN)).toEqual({ mine: true });
  });

  it('is accepted with any accepted key, so that a rotation loses nothing', async () => {
    await open(keyed).create(RUN, encodeJson({ a: 1 }));
    const next = generateSigningKey();
    const rotated = ed25519Signer({ privateKey: next.privateKey, publicKey: pair.publicKey });
    expect(await contentOf(rotated, RUN)).toEqual({ a: 1 });
    expect(await contentOf(ed25519Signer({ privateKey: next.privateKey, publicKey: null }), RUN)).toBeNull();
  });

  describe('of an earlier key', () => {
    const next = generateSigningKey();
    const both = ed25519Signer({ privateKey: next.privateKey, publicKey: pair.publicKey });
    const alone = ed25519Signer({ privateKey: next.privateKey, publicKey: null });
    const OVER = { state: 'succeeded', finishedAt: '2026-11-22T02:10:00.000Z' };

    it('is signed again by whoever reads it with the present key, where it is kept long', async () => {
      for (const name of NAMES) await open(keyed).create(name, encodeJson(OVER));
      for (const name of NAMES) expect(await contentOf(both, name)).toEqual(OVER);
      const renewed: string[] = [];
      for (const name of NAMES) if ((await contentOf(alone, name)) !== null) renewed.push(name);
      const short = ['leases/database.json', 'webhooks/msg_1.json', 'guard/state.json', 'catalog.json'];
      expect(renewed).toEqual(NAMES.filter((name) => !short.includes(name)));
      // The version that the reader gets is that of the object with the new signature.
      const store = open(both);
      await open(keyed).create('drills/2.json', encodeJson(OVER));
      const found = await store.read('drills/2.json');
      expect(await store.swap('drills/2.json', encodeJson({ a: 2 }), found?.etag ?? '')).not.toBeNull();
    });

    it('stays as it is while its run is not over', async () => {
      await open(keyed).create(RUN, encodeJson({ state: 'running', finishedAt: null }));
      const before = await folder.store.read(RUN);
      await contentOf(both, RUN);
      expect(await folder.store.read(RUN)).toEqual(before);
    });

    it('is read where it cannot be signed again: with the public keys alone, or where the store takes no writes', async () => {
      await open(keyed).create('guard/pins.json', encodeJson({ a: 1 }));
      const publicKeys = `${pair.publicKey},${next.publicKey}`;
      const reader = ed25519Signer({ privateKey: null, publicKey: publicKeys });
      expect(await contentOf(reader, 'guard/pins.json')).toEqual({ a: 1 });
      const store = authenticatedStore(readOnlyStore(folder.store), both, silentLog());
      expect(decodeJson((await store.read('guard/pins.json'))?.body ?? Buffer.from(''))).toEqual({ a: 1 });
      expect(await contentOf(alone, 'guard/pins.json')).toBeNull();
    });
  });

  it('can be read but not written with a public key alone', async () => {
    const reader = ed25519Signer({ privateKey: null, publicKey: pair.publicKey });
    await open(keyed).create(RUN, encodeJson({ a: 1 }));
    expect(await contentOf(reader, RUN)).toEqual({ a: 1 });
    await expect(open(reader).create(RUN, encodeJson({}))).rejects.toMatchObject({ code: 'config' });
    const etag = (await folder.store.read(RUN))?.etag ?? '';
    await expect(open(reader).swap(RUN, encodeJson({}), etag)).rejects.toMatchObject({ code: 'config' });
  });

  it('is not checked where no key is set, whatever its signature', async () => {
    await open(keyed).create(RUN, encodeJson({ a: 1 }));
    expect(await contentOf(keyless, RUN)).toEqual({ a: 1 });
    await folder.store.remove(RUN);
    await open(keyless).create(RUN, encodeJson({ a: 1 }));
    expect((await folder.store.read(RUN))?.body.toString()).toBe(encodeJson({ a: 1 }).toString());
  });

  it('is created by exactly one of many processes that replace a forged one at the same moment', async () => {
    await put(RUN, encodeJson({ forged: true }));
    const stores = Array.from({ length: 8 }, () => open(keyed));
    const made = await Promise.all(stores.map((store, by) => store.create(RUN, encodeJson({ by }))));
    expect(made.filter(({ created }) => created)).toHaveLength(1);
  });
});

describe('a store whose control state stays in memory', () => {
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
