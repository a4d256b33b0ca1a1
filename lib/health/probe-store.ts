import { randomUUID } from 'node:crypto';
import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { ObjectStore } from '../ports/store.js';

/**
 * Proves on a separate small object under `probe/` that the store keeps the promises which runs rely on, and
 * removes it again. Throws `store-unsafe` naming the promise that was broken; a store that cannot be used at all
 * throws what its adapter throws.
 */
export async function probeConditionalWrites(store: ObjectStore, clock: Clock): Promise<void> {
  const name = `probe/${clock.now().toString(36)}-${randomUUID()}`;
  try {
    await probe(store, name);
  } catch (error) {
    // What went wrong first is what the operator needs to hear of.
    await store.remove(name).catch(() => undefined);
    throw error;
  }
}

async function probe(store: ObjectStore, name: string): Promise<void> {
  const first = Buffer.from(`first ${name}`);
  const second = Buffer.from(`second ${name}`);
  const created = await store.create(name, first);
  if (!created.created) throw unsafe('says that a fresh name is taken');

  const again = await store.create(name, second);
  if (again.created) throw unsafe('lets a second writer overwrite an object that is there (If-None-Match)');
  if (!(await holds(store, name, first))) throw unsafe('does not give back the bytes that were written');

  const etag = await store.swap(name, second, created.etag);
  if (etag === null) throw unsafe('refuses to replace an object whose etag is right (If-Match)');
  if ((await store.swap(name, Buffer.from(`third ${name}`), created.etag)) !== null) {
    throw unsafe('replaces an object although its etag is out of date (If-Match)');
  }
  if (!(await holds(store, name, second))) throw unsafe('does not give back the bytes that were written');

  if (!(await lists(store, name))) throw unsafe('does not list an object that was just written');
  await store.remove(name);
  if ((await store.read(name)) !== null) throw unsafe('still has an object that was removed');
}

async function holds(store: ObjectStore, name: string, body: Buffer): Promise<boolean> {
  return (await store.read(name))?.body.equals(body) ?? false;
}

async function lists(store: ObjectStore, name: string): Promise<boolean> {
  for await (const object of store.list(name)) if (object.name === name) return true;
  return false;
}

function unsafe(what: string): AppError {
  return new AppError('store-unsafe', `The object store ${what}`, {
    hint: 'Use a store with conditional writes and strong consistency: AWS S3, Cloudflare R2, Ceph, MinIO, or a local folder.',
  });
}
