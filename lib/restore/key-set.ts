import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
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
  await store.create(name, encodeJson(index));
}

/** Null when there is none of that name. */
export async function readIndex(store: ObjectStore, name: string): Promise<UnpackedIndex | null> {
  const found = await store.read(name);
  return found === null ? null : unpackIndex(partIndexSchema.parse(decodeJson(found.body)));
}
