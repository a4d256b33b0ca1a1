import { z } from 'zod';
import { decodeJson, encodeJson } from '../../json.js';
import { AppError } from '../../errors.js';
import type { ObjectStore } from '../../ports/store.js';
import { hashSet, type HashSet, keyHash, type KeySet } from '../../redis/key-sets.js';

const storedSeen = z.object({
  /** A bit for each saved key, in the order of their hashes. */
  saved: z.string(),
  /** 64-bit hashes of names that were not saved before the walk. */
  others: z.string(),
});

/** The names that one walk has seen: a bit for each key that was saved before it, 16 to 32 bytes for each other key. */
export interface SeenNames {
  /** Distinct names. */
  readonly size: number;
  readonly others: HashSet;
  /** Adds a name; false when the walk has seen it before. */
  add(key: Buffer): boolean;
  /** Whether the key was saved before the walk, or has been seen by it. */
  isKnown(key: Buffer): boolean;
  /** Hashes of the saved keys that were not seen. */
  unseen(): BigUint64Array;
  /** The current state, encoded for the store. */
  snapshot(): Buffer;
}

export function seenNames(saved: KeySet, stored: Buffer | null): SeenNames {
  const before = stored === null ? null : storedSeen.parse(decodeJson(stored));
  const bits = new Uint8Array(Math.ceil(saved.size / 8));
  if (before !== null) bits.set(Buffer.from(before.saved, 'base64').subarray(0, bits.length));
  const others = hashSet(before === null ? undefined : decodeHashes(before.others));
  let seen = 0;
  for (const byte of bits) seen += countOnes(byte);

  return {
    get size() {
      return seen + others.size;
    },
    others,
    add(key) {
      const hash = keyHash(key);
      const place = saved.placeOf(hash);
      if (place < 0) return others.addHash(hash);
      const bit = 1 << (place & 7);
      const byte = bits[place >>> 3] ?? 0;
      if ((byte & bit) !== 0) return false;
      bits[place >>> 3] = byte | bit;
      seen += 1;
      return true;
    },
    isKnown(key) {
      const hash = keyHash(key);
      return saved.placeOf(hash) >= 0 || others.hasHash(hash);
    },
    unseen() {
      const missing = new BigUint64Array(saved.size - seen);
      let end = 0;
      for (let place = 0; place < saved.size; place++) {
        if (((bits[place >>> 3] ?? 0) & (1 << (place & 7))) === 0) missing[end++] = saved.at(place);
      }
      return missing;
    },
    snapshot: () => encodeJson({ saved: Buffer.from(bits).toString('base64'), others: encodeHashes(others.hashes()) }),
  };
}

/** Stores hashes and returns the object's name; null for no hashes. */
export async function storeHashes(store: ObjectStore, name: string, hashes: BigUint64Array): Promise<string | null> {
  if (hashes.length === 0) return null;
  await store.create(name, encodeJson({ hashes: encodeHashes(hashes) }));
  return name;
}

export async function loadHashes(store: ObjectStore, name: string | null): Promise<HashSet> {
  if (name === null) return hashSet();
  const { hashes } = z.object({ hashes: z.string() }).parse(decodeJson(await loadObject(store, name)));
  return hashSet(decodeHashes(hashes));
}

/** Throws `damaged` when the object is gone. */
export async function loadObject(store: ObjectStore, name: string): Promise<Buffer> {
  const found = await store.read(name);
  if (found !== null) return found.body;
  throw new AppError('damaged', `${name} is gone from the store`, {
    hint: 'Something removes objects under runs/ while a snapshot is being taken. Stop it and take another snapshot.',
  });
}

function encodeHashes(hashes: BigUint64Array): string {
  return Buffer.from(hashes.buffer, hashes.byteOffset, hashes.byteLength).toString('base64');
}

function decodeHashes(encoded: string): BigUint64Array {
  return new BigUint64Array(new Uint8Array(Buffer.from(encoded, 'base64')).buffer);
}

function countOnes(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
