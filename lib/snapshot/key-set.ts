import xxhash from 'xxhash-wasm';
import type { UnpackedIndex } from './part-index.js';

const hasher = await xxhash();
/** The seed of the first of the two hashes in a part's index. */
const SEED = 0n;

/** A set of keys by their 64-bit hashes: 8 bytes a key. Once in 2^64 / size `has` is true for a key that is not in it. */
export interface KeySet {
  readonly size: number;
  has(key: Buffer): boolean;
  /** The place of the hash in ascending order, from 0; -1 when it is not in the set. */
  placeOf(hash: bigint): number;
  /** The hash at a place. */
  at(place: number): bigint;
}

export function keyHash(key: Buffer): bigint {
  return hasher.h64Raw(key, SEED);
}

/** The keys of the valid records that begin in parts with these indexes. */
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
  return keySetOf(concat(chunks));
}

/** Takes over the array and sorts it in place. */
export function keySetOf(hashes: BigUint64Array): KeySet {
  const sorted = distinct(hashes.sort());
  // Little-endian: the lower half of each hash comes first.
  const words = new Uint32Array(sorted.buffer, sorted.byteOffset, 2 * sorted.length);
  const placeOf = (hash: bigint): number => find(words, hash);
  return {
    size: sorted.length,
    has: (key) => placeOf(keyHash(key)) >= 0,
    placeOf,
    at: (place) => sorted[place] ?? 0n,
  };
}

function concat(chunks: readonly BigUint64Array[]): BigUint64Array {
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

/** Binary search by halves of 32 bits: reading an element of the 64-bit array would allocate a bigint. */
function find(words: Uint32Array, wanted: bigint): number {
  const wantedHigh = Number(wanted >> 32n);
  const wantedLow = Number(wanted & 0xffffffffn);
  let [low, high] = [0, words.length / 2];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const difference = (words[2 * middle + 1] ?? 0) - wantedHigh || (words[2 * middle] ?? 0) - wantedLow;
    if (difference === 0) return middle;
    if (difference < 0) low = middle + 1;
    else high = middle;
  }
  return -1;
}
