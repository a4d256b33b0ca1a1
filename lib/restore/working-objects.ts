import { AppError } from '../errors.js';
import { readKnown, overwriteObject } from '../control/object.js';
import { encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { duplicateLines } from '../snapshot/duplicates.js';
import { keySet, type KeySet } from '../redis/key-sets.js';
import type { Manifest } from '../snapshot/manifest.js';
import { partIndexSchema, unpackIndex, type PartIndex, type UnpackedIndex } from '../snapshot/part-index.js';
import { dropIndexes } from '../snapshot/finalize.js';
import { partName } from '../snapshot/names.js';
import { placementPrefix } from './unite/placed.js';

/** Where a restore stores the key hashes of one part of its source while it runs. */
export function sourceIndexName(run: string, part: number): string {
  return `${sourceIndexPrefix(run)}${String(part).padStart(6, '0')}.json`;
}

function sourceIndexPrefix(run: string): string {
  return `runs/${run}/source/`;
}

/** Stores the index of a part; another attempt may have stored it. */
export async function writeIndex(store: ObjectStore, name: string, index: PartIndex): Promise<void> {
  const body = encodeJson(index);
  if ((await store.create(name, body)).created) return;
  if ((await readIndex(store, name)) === null) await overwriteObject(store, name, body);
}

/** The keys of the run that this process works on: read by each task, the indexes would be read parts times parts times. */
const sourceKeys = new WeakMap<ObjectStore, { readonly run: string; readonly keys: Promise<KeySet> }>();

/** All keys that the check phase stored. Throws `damaged` when the index of a part is gone. */
export function allSourceKeys(store: ObjectStore, run: string, manifest: Manifest): Promise<KeySet> {
  const known = sourceKeys.get(store);
  if (known?.run === run) return known.keys;
  const keys = keySet(sourceIndexes(store, run, manifest, manifest.parts.keys()));
  sourceKeys.set(store, { run, keys });
  // A failed read is not cached: the next task tries again.
  keys.catch(() => sourceKeys.delete(store));
  return keys;
}

/**
 * The indexes of these parts, for `keySet`. Throws `damaged` when one is gone: taken as empty, the part's keys would be
 * removed from the database as keys that the snapshot lacks.
 */
export async function* sourceIndexes(
  store: ObjectStore,
  run: string,
  { doubles }: Manifest,
  parts: Iterable<number>,
): AsyncGenerator<{ index: UnpackedIndex; without: ReadonlySet<number> }> {
  for (const part of parts) {
    yield { index: await loadIndex(store, sourceIndexName(run, part)), without: duplicateLines(doubles, part) };
  }
}

/** Loads an index. Throws `damaged` when it is missing or cannot be read. */
export async function loadIndex(store: ObjectStore, name: string): Promise<UnpackedIndex> {
  const index = await readIndex(store, name);
  if (index !== null) return index;
  throw new AppError('damaged', `${name} is gone from the store, or cannot be read`, {
    hint: 'Find out what else writes to runs/ in the store, stop it, and start the restore again.',
  });
}

/** Null when the index is missing or cannot be read. */
async function readIndex(store: ObjectStore, name: string): Promise<UnpackedIndex | null> {
  const index = await readKnown(store, name, partIndexSchema);
  return index === null ? null : unpackIndex(index);
}

/**
 * Removes objects that only a run in progress needs and that would reveal encrypted keys to readers of the store:
 * hashes of key names, and ids of jobs, clusters and users found by phase `check` (its markers). No phase that may
 * still run reads any of them.
 */
export async function tidyUp(store: ObjectStore, run: string): Promise<void> {
  // Frees the memory of a large set.
  sourceKeys.delete(store);
  await dropIndexes(store, run);
  for (const prefix of [sourceIndexPrefix(run), placementPrefix(run), `runs/${run}/tasks/check-`]) {
    for await (const { name } of store.list(prefix)) await store.remove(name);
  }
}

/** The same for a restore that ends before it writes, plus the parts that its plan saved. */
export async function tidyUpPlan(store: ObjectStore, run: string): Promise<void> {
  await tidyUp(store, run);
  // If the bucket retains objects, `prune` removes them later, as it does with parts that a dead task still writes.
  for await (const { name } of store.list(partName(run, ''))) await store.remove(name).catch(() => undefined);
}
