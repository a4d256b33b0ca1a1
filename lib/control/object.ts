import type { z } from 'zod';
import { AppError } from '../errors.js';
import type { ObjectStore, StoredBody } from '../ports/store.js';
import { parseStored } from '../json.js';
import { passOver } from './authenticated-store.js';

/** Each failed swap means that another process has written; after this many in a row the update gives up. */
const ATTEMPTS = 12;

/** Creates an object, or replaces the one of its name. */
export async function overwriteObject(store: ObjectStore, name: string, body: Uint8Array): Promise<void> {
  for (;;) {
    if ((await store.create(name, body)).created) return;
    const found = await store.read(name);
    if (found !== null && (await store.swap(name, body, found.etag)) !== null) return;
  }
}

/**
 * Changes an object in one swap. `edit` gets the stored object (null: none) and returns the new content; it is called again
 * when another process wrote first. Where it returns null, nothing is written, and false is returned. Throws `busy` when
 * other processes keep writing first; `what` names the object in that message: `The list of pinned snapshots`.
 */
export async function updateObject(
  store: ObjectStore,
  name: string,
  what: string,
  edit: (found: StoredBody | null) => Uint8Array | null | Promise<Uint8Array | null>,
): Promise<boolean> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const found = await store.read(name);
    const body = await edit(found);
    if (body === null) return false;
    if (found === null && (await store.create(name, body)).created) return true;
    if (found !== null && (await store.swap(name, body, found.etag)) !== null) return true;
  }
  throw new AppError('busy', `${what} is being changed by other processes`, { hint: 'Try again.', transient: true });
}

/**
 * Reads an object of a known form; null when there is none, or one of another form, which is then recorded as ignored
 * (`passOver`).
 */
export async function readKnown<T>(store: ObjectStore, name: string, schema: z.ZodType<T>): Promise<T | null> {
  const found = await store.read(name);
  return found === null ? null : (parseStored(schema, found.body) ?? passOver(store, name, found));
}

/** Of the dated statements about each thing, the newest; of two of the same time, the later in the list. `at`: ISO 8601. */
export function newestBy<T extends { readonly at: string }>(statements: readonly T[], keyOf: (each: T) => string): T[] {
  const newest = new Map<string, T>();
  for (const each of statements) if ((newest.get(keyOf(each))?.at ?? '') <= each.at) newest.set(keyOf(each), each);
  return [...newest.values()];
}
