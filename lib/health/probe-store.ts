import { randomUUID } from 'node:crypto';
import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { ObjectStore } from '../ports/store.js';

/**
 * Proves with a small object under `probe/`, which is then removed, that the store keeps the guarantees that runs rely on.
 * Throws `store-unsafe` with the broken guarantee; if the store cannot be used, throws the adapter's error.
 */
export async function probeConditionalWrites(store: ObjectStore, clock: Clock): Promise<void> {
  const name = `probe/${clock.now().toString(36)}-${randomUUID()}`;
  try {
    await probe(store, name);
  } catch (error) {
    // The first error is the one that matters to the operator.
    await store.remove(name).catch(() => undefined);
    throw error;
  }
}

async function probe(store: ObjectStore, name: string): Promise<void> {
  const first = Buffer.from(`first ${name}`);
  const second = Buffer.from(`second ${name}`);
  const created = await store.create(name, first);
  if (!created.created) throw unsafeError('reports that a new name is already taken');

  const again = await store.create(name, second);
  if (again.created) throw unsafeError('lets a second writer overwrite an existing object (If-None-Match)');
  if (!(await hasBody(store, name, first))) throw unsafeError('does not return the bytes that were written');

  const etag = await store.swap(name, second, created.etag);
  if (etag === null) throw unsafeError('refuses to replace an object although its etag is current (If-Match)');
  if ((await store.swap(name, Buffer.from(`third ${name}`), created.etag)) !== null) {
    throw unsafeError('replaces an object although its etag is out of date (If-Match)');
  }
  if (!(await hasBody(store, name, second))) throw unsafeError('does not return the bytes that were written');

  if (!(await isListed(store, name))) throw unsafeError('does not list an object that was just written');
  await store.remove(name);
  if ((await store.read(name)) !== null) throw unsafeError('still returns an object that was removed');
}

async function hasBody(store: ObjectStore, name: string, body: Buffer): Promise<boolean> {
  return (await store.read(name))?.body.equals(body) ?? false;
}

async function isListed(store: ObjectStore, name: string): Promise<boolean> {
  for await (const object of store.list(name)) if (object.name === name) return true;
  return false;
}

function unsafeError(what: string): AppError {
  return new AppError('store-unsafe', `The object store ${what}`, {
    hint: 'Use a store with conditional writes and strong consistency: AWS S3, Cloudflare R2, Ceph, MinIO, or a local folder.',
  });
}
