import { AppError } from '../errors.js';
import { readKnown, overwriteObject } from '../control/object.js';
import { encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { duplicateLines } from '../snapshot/duplicates.js';
import { keySet, type KeySet } from '../snapshot/key-set.js';
import type { Manifest } from '../snapshot/manifest.js';
import { partIndexSchema, unpackIndex, type PartIndex, type UnpackedIndex } from '../snapshot/part-index.js';

export { keySet, type KeySet } from '../snapshot/key-set.js';

/** Where a restore notes the keys of a part of its source until it is over. */
export function sourceIndexName(run: string, part: number): string {
  return `${sourceIndexPrefix(run)}${String(part).padStart(6, '0')}.json`;
}

export function sourceIndexPrefix(run: string): string {
  return `runs/${run}/source/`;
}

export async function writeIndex(store: ObjectStore, name: string, index: PartIndex): Promise<void> {
  const body = encodeJson(index);
  if ((await store.create(name, body)).created) return;
  // Another attempt at the same task has written the same; anything else must not stand for it.
  if ((await readIndex(store, name)) === null) await overwriteObject(store, name, body);
}

/**
 * The keys that the check noted of a part. Throws `damaged` when they are gone: taken for none, they would be removed
 * from the database as what the snapshot does not hold.
 */
export function readSourceIndex(store: ObjectStore, run: string, part: number): Promise<UnpackedIndex> {
  return demandIndex(store, sourceIndexName(run, part));
}

/** Those of the run that this process works on: read by each task, the indexes would be read parts times parts times. */
const sourceKeys = new WeakMap<ObjectStore, { readonly run: string; readonly keys: Promise<KeySet> }>();

/** All keys that the check noted. Throws `damaged` when those of a part are gone. */
export function allSourceKeys(store: ObjectStore, run: string, manifest: Manifest): Promise<KeySet> {
  const known = sourceKeys.get(store);
  if (known?.run === run) return known.keys;
  const keys = keySet(sourceIndexes(store, run, manifest, manifest.parts.keys()));
  sourceKeys.set(store, { run, keys });
  // What cannot be read now may be there for the next task.
  keys.catch(() => forgetSourceKeys(store));
  return keys;
}

/** A large set stays in memory no longer than the run lasts. */
export function forgetSourceKeys(store: ObjectStore): void {
  sourceKeys.delete(store);
}

/** What the check noted of these parts, for `keySet`. Throws `damaged` when one of them is gone. */
export async function* sourceIndexes(
  store: ObjectStore,
  run: string,
  { doubles }: Manifest,
  parts: Iterable<number>,
): AsyncGenerator<{ index: UnpackedIndex; without: ReadonlySet<number> }> {
  for (const part of parts) {
    yield { index: await readSourceIndex(store, run, part), without: duplicateLines(doubles, part) };
  }
}

/** Throws `damaged` when there is none of that name, or none that can be read. */
export async function demandIndex(store: ObjectStore, name: string): Promise<UnpackedIndex> {
  const index = await readIndex(store, name);
  if (index !== null) return index;
  throw new AppError('damaged', `${name} is gone from the store, or cannot be read`, {
    hint: 'Find out what else writes under runs/ in the store, stop it and start the restore again.',
  });
}

/** Null when there is none of that name, or none that can be read. */
async function readIndex(store: ObjectStore, name: string): Promise<UnpackedIndex | null> {
  const index = await readKnown(store, name, partIndexSchema);
  return index === null ? null : unpackIndex(index);
}
