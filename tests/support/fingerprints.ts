/** A map from 64-bit hashes to 64-bit hashes in flat memory: 16 bytes an entry, at most twice that in spare room. */
export interface Fingerprints {
  readonly size: number;
  /** Undefined where there is none of that key. */
  get(key: bigint): bigint | undefined;
  set(key: bigint, value: bigint): void;
  values(): Iterable<bigint>;
}

/** Open addressing with linear probing; 0 marks a free place, so a key of 0 is kept as 1. */
export function fingerprints(capacity = 1024): Fingerprints {
  let keys = new BigUint64Array(capacity);
  let values = new BigUint64Array(capacity);
  let size = 0;

  const placeOf = (key: bigint): number => {
    let place = Number(key & BigInt(keys.length - 1));
    while (keys[place] !== 0n && keys[place] !== key) place = (place + 1) % keys.length;
    return place;
  };
  const grow = (): void => {
    const [oldKeys, oldValues] = [keys, values];
    keys = new BigUint64Array(oldKeys.length * 2);
    values = new BigUint64Array(oldKeys.length * 2);
    oldKeys.forEach((key, index) => {
      if (key === 0n) return;
      const place = placeOf(key);
      keys[place] = key;
      values[place] = oldValues[index] ?? 0n;
    });
  };
  return {
    get size() {
      return size;
    },
    get(key) {
      const place = placeOf(key || 1n);
      return keys[place] === 0n ? undefined : values[place];
    },
    set(key, value) {
      if (size * 2 >= keys.length) grow();
      const place = placeOf(key || 1n);
      if (keys[place] === 0n) size++;
      keys[place] = key || 1n;
      values[place] = value;
    },
    *values() {
      for (const [index, key] of keys.entries()) if (key !== 0n) yield values[index] ?? 0n;
    },
  };
}
