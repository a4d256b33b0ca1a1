import xxhash from 'xxhash-wasm';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { partIndexSchema, unpackIndex, type PartIndex, type UnpackedIndex } from '../snapshot/part-index.js';

const hasher = await xxhash();
/** The seed of the first of the two hashes in a part's index. */
const SEED = 0n;

/** A set of keys by their 64-bit hashes: 8 bytes a key. A key that is not in it is taken for one once in 2^64 / size. */
export interface KeySet {
  readonly size: number;
  has(key: Buffer): boolean;
}

/** The keys whose records begin in parts with these indexes and count. */
export async function keySet(
  indexes: AsyncIterable<{ index: UnpackedIndex; without: ReadonlySet<number> }>,
): Promise<KeySet> {
  const chunks: BigUint64Array[] = [];
  for await (const { index, without } of indexes) {
    const hashes = new BigUint64Array(index.lines.length);
    let filled = 0;
    for (const [at, line] of index.lines.entries()) {
      if (!without.has(line)) hashes[filled++] = index.hashes[2 * at] ?? 0n;
    }
    chunks.push(hashes.subarray(0, filled));
  }
  const sorted = joined(chunks).sort();
  return { size: sorted.length, has: (key) => contains(sorted, hasher.h64Raw(key, SEED)) };
}

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

function joined(chunks: readonly BigUint64Array[]): BigUint64Array {
  const all = new BigUint64Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

function contains(sorted: BigUint64Array, wanted: bigint): boolean {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const found = sorted[middle] ?? 0n;
    if (found === wanted) return true;
    if (found < wanted) low = middle + 1;
    else high = middle;
  }
  return false;
}
