import xxhash from 'xxhash-wasm';

const hasher = await xxhash();

/** The XXH64 of a key. With seed 0 it is the first of the two hashes in a part's index, with seed 1 the second. */
export function keyHash(key: Buffer, seed: 0n | 1n = 0n): bigint {
  return hasher.h64Raw(key, seed);
}

const FIRST_SLOTS = 1024;
/** The value of an empty slot; a key with this hash is stored as hash 1. */
const EMPTY = 0n;

/** A growing set of keys by their 64-bit hashes: 16 to 32 bytes a key, where a Set of names takes 100 or more. */
export interface HashSet {
  readonly size: number;
  /** Whether the key is new. */
  add(key: Buffer): boolean;
  /** As `add`, by the key's hash. */
  addHash(hash: bigint): boolean;
  hasHash(hash: bigint): boolean;
  /** All hashes, in no order. */
  hashes(): BigUint64Array;
}

/** Open addressing with linear probing; the table doubles when it is half full. */
export function hashSet(from: BigUint64Array = new BigUint64Array(0)): HashSet {
  let slots = new BigUint64Array(FIRST_SLOTS);
  let used = 0;

  /** The slot that holds the hash, or the empty one to put it into. */
  const slotOf = (table: BigUint64Array, hash: bigint): number => {
    const mask = table.length - 1;
    let at = Number(hash & BigInt(mask));
    while (table[at] !== hash && table[at] !== EMPTY) at = (at + 1) & mask;
    return at;
  };
  const grow = (): void => {
    const larger = new BigUint64Array(slots.length * 2);
    for (const hash of slots) if (hash !== EMPTY) larger[slotOf(larger, hash)] = hash;
    slots = larger;
  };
  const addHash = (given: bigint): boolean => {
    const hash = given || 1n;
    const at = slotOf(slots, hash);
    if (slots[at] === hash) return false;
    slots[at] = hash;
    if (++used > slots.length / 2) grow();
    return true;
  };
  for (const hash of from) addHash(hash);

  return {
    get size() {
      return used;
    },
    add: (key) => addHash(keyHash(key)),
    addHash,
    hasHash: (given) => slots[slotOf(slots, given || 1n)] !== EMPTY,
    hashes: () => slots.filter((hash) => hash !== EMPTY),
  };
}

/** A set of keys by their 64-bit hashes: 8 bytes a key. Once in 2^64 / size `has` is true for a key that is not in it. */
export interface KeySet {
  readonly size: number;
  has(key: Buffer): boolean;
  /** The place of the hash in ascending order, from 0; -1 when it is not in the set. */
  placeOf(hash: bigint): number;
  /** The hash at a place. */
  at(place: number): bigint;
}

interface KeyHashes {
  /** Two for each record. */
  readonly hashes: BigUint64Array;
  /** The line on which each record begins. */
  readonly lines: Uint32Array;
}

/** The keys of the valid records that begin in parts with these indexes. */
export async function keySet(
  indexes: AsyncIterable<{ index: KeyHashes; without: ReadonlySet<number> }>,
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
