import xxhash from 'xxhash-wasm';

const hasher = await xxhash();
const FIRST_SLOTS = 1024;
/** Stands for an empty slot; a key that hashes to it is taken for its neighbour. */
const EMPTY = 0n;

/** Keys that were seen, by their 64-bit hashes: about 16 to 32 bytes a key, where a Set of names takes 100 or more. */
export interface HashSet {
  /** Whether the key is new. */
  add(key: Buffer): boolean;
}

/** Open addressing with linear probing; the table doubles when it is half full. */
export function hashSet(): HashSet {
  let slots = new BigUint64Array(FIRST_SLOTS);
  let used = 0;

  const place = (table: BigUint64Array, hash: bigint): boolean => {
    const mask = table.length - 1;
    for (let at = Number(hash & BigInt(mask)); ; at = (at + 1) & mask) {
      if (table[at] === hash) return false;
      if (table[at] !== EMPTY) continue;
      table[at] = hash;
      return true;
    }
  };
  const grow = (): void => {
    const larger = new BigUint64Array(slots.length * 2);
    for (const hash of slots) if (hash !== EMPTY) place(larger, hash);
    slots = larger;
  };

  return {
    add(key) {
      const isNew = place(slots, hasher.h64Raw(key) || 1n);
      if (isNew && ++used > slots.length / 2) grow();
      return isNew;
    },
  };
}
