import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { fileStore } from '../../lib/stores/file/store.js';
import { AppError } from '../../lib/errors.js';
import { probeConditionalWrites } from '../../lib/health/checks/store.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import { collect } from '../contracts/object-store.js';

let folder: string;
let store: ObjectStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'probe-'));
  store = fileStore({ folder });
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Writes whatever lies there, as stores do that do not know conditional writes. */
async function overwrite(name: string, body: Uint8Array): Promise<string> {
  await store.remove(name);
  const made = await store.create(name, body);
  return made.created ? made.etag : '';
}

async function* nothing(): AsyncGenerator<never> {
  await Promise.resolve();
  yield* [];
}

describe('probeConditionalWrites', () => {
  it('accepts a store that keeps its guarantees, and leaves nothing behind', async () => {
    await probeConditionalWrites(store, systemClock());
    expect(await collect(store.list(''))).toEqual([]);
  });

  it.each<[string, RegExp, () => Partial<ObjectStore>]>([
    [
      'ignores If-None-Match',
      /If-None-Match/,
      () => ({ create: async (name, body) => ({ created: true, etag: await overwrite(name, body) }) }),
    ],
    ['ignores If-Match', /out of date \(If-Match\)/, () => ({ swap: overwrite })],
    ['refuses the right etag', /is current \(If-Match\)/, () => ({ swap: () => Promise.resolve(null) })],
    [
      'finds every name taken',
      /new name is already taken/,
      () => ({ create: () => Promise.resolve({ created: false }) }),
    ],
    [
      'gives back other bytes',
      /bytes/,
      () => ({
        read: async (name) => {
          const found = await store.read(name);
          return found === null ? null : { ...found, body: Buffer.concat([found.body, Buffer.from('\n')]) };
        },
      }),
    ],
    ['lists late', /list/, () => ({ list: nothing })],
    ['removes late', /removed/, () => ({ remove: () => Promise.resolve() })],
  ])('names what is wrong with a store that %s', async (_, message, broken) => {
    const failing = probeConditionalWrites({ ...store, ...broken() }, systemClock());
    await expect(failing).rejects.toMatchObject({
      code: 'store-unsafe',
      message: expect.stringMatching(message) as unknown,
    });
  });

  it("passes on the store's own error, and cleans up after a failure", async () => {
    const denied = new AppError('store-denied', 'no', { hint: 'allow it' });
    const half = { ...store, swap: () => Promise.reject(denied) };
    await expect(probeConditionalWrites(half, systemClock())).rejects.toBe(denied);
    expect(await collect(store.list(''))).toEqual([]);
    const all = { ...store, create: () => Promise.reject(denied), remove: () => Promise.reject(new Error('too')) };
    await expect(probeConditionalWrites(all, systemClock())).rejects.toBe(denied);
  });
});
