import { keyHash } from './key-set.js';

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
