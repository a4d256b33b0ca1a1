import xxhash from 'xxhash-wasm';
import type { UnpackedIndex } from './part-index.js';

const hasher = await xxhash();
/** The seed of the first of the two hashes in a part's index. */
const SEED = 0n;

/** A set of keys by their 64-bit hashes: 8 bytes a key. A key that is not in it is taken for one once in 2^64 / size. */
export interface KeySet {
  readonly size: number;
  has(key: Buffer): boolean;
  /** The place of the hash among all, from 0; -1 when it is not in the set. */
  placeOf(hash: bigint): number;
  /** The hash at a place. */
  at(place: number): bigint;
}

export function keyHash(key: Buffer): bigint {
  return hasher.h64Raw(key, SEED);
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
  return keySetOf(joined(chunks));
}

/** Takes the array over: it is sorted where it stands. */
export function keySetOf(hashes: BigUint64Array): KeySet {
  const sorted = distinct(hashes.sort());
  const placeOf = (hash: bigint): number => find(sorted, hash);
  return {
    size: sorted.length,
    has: (key) => placeOf(keyHash(key)) >= 0,
    placeOf,
    at: (place) => sorted[place] ?? 0n,
  };
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

function distinct(sorted: BigUint64Array): BigUint64Array {
  let end = 0;
  for (const [at, hash] of sorted.entries()) if (at === 0 || hash !== sorted[end - 1]) sorted[end++] = hash;
  return sorted.subarray(0, end);
}

function find(sorted: BigUint64Array, wanted: bigint): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const found = sorted[middle] ?? 0n;
    if (found === wanted) return middle;
    if (found < wanted) low = middle + 1;
    else high = middle;
  }
  return -1;
}
