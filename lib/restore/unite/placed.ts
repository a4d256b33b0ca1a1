import xxhash from 'xxhash-wasm';
import { AppError } from '../../errors.js';
import { decodeJson, encodeJson } from '../../json.js';
import type { ObjectStore } from '../../ports/store.js';
import type { ClassifiedKey } from '../../soulcaster/keys.js';
import { memberListOf } from '../../soulcaster/member-lists.js';

const hasher = await xxhash();

/**
 * Which lists hold which members, as pairs of 64-bit hashes: 16 bytes a membership, and no ids in the store. A pair that
 * is not there is taken for one once in 2^64 / size.
 */
export interface Placed {
  /** Whether any list of the group of this one holds the member. */
  anywhere(list: ClassifiedKey, member: Buffer): boolean;
  /** Whether this very list does. */
  here(list: ClassifiedKey, key: Buffer, member: Buffer): boolean;
}

export interface PlacedWriter {
  add(list: ClassifiedKey, key: Buffer, member: Buffer): void;
  /** Writes all of it under names that begin so. */
  save(store: ObjectStore, name: string): Promise<void>;
}

export function placedPrefix(run: string): string {
  return `runs/${run}/placed/`;
}

/** Control objects of more than 64 MiB are not read. An even number: of two hashes each. */
const PER_OBJECT = 2 ** 20;

export function placedWriter(): PlacedWriter {
  const hashes: bigint[] = [];
  return {
    add(list, key, member) {
      hashes.push(memberHash(list, member), pairHash(key, member));
    },
    async save(store, name) {
      for (let from = 0; from < hashes.length; from += PER_OBJECT) {
        const bytes = Buffer.from(BigUint64Array.from(hashes.slice(from, from + PER_OBJECT)).buffer);
        await store.create(`${name}-${from}.json`, encodeJson({ hashes: bytes.toString('base64') }));
      }
    },
  };
}

/** All memberships noted under the prefix. */
export async function readPlaced(store: ObjectStore, prefix: string): Promise<Placed> {
  const names: string[] = [];
  for await (const { name } of store.list(prefix)) names.push(name);
  const chunks: BigUint64Array[] = [];
  for (const name of names) {
    const found = await store.read(name);
    // Taken for none, members would be put into a second list, or taken out of the right one.
    if (found === null) throw gone(name);
    const { hashes } = decodeJson(found.body) as { hashes: string };
    const bytes = Uint8Array.from(Buffer.from(hashes, 'base64'));
    chunks.push(new BigUint64Array(bytes.buffer));
  }
  const column = (offset: number): BigUint64Array => {
    const all = new BigUint64Array(chunks.reduce((sum, chunk) => sum + chunk.length / 2, 0));
    let at = 0;
    for (const chunk of chunks) for (let from = offset; from < chunk.length; from += 2) all[at++] = chunk[from] ?? 0n;
    return all.sort();
  };
  const [members, pairs] = [column(0), column(1)];
  return {
    anywhere: (list, member) => contains(members, memberHash(list, member)),
    here: (_, key, member) => contains(pairs, pairHash(key, member)),
  };
}

/** A list that stands alone is a group. */
function memberHash(list: ClassifiedKey, member: Buffer): bigint {
  const group = memberListOf(list)?.group ?? list.family;
  return hashOf(Buffer.from(`${group}\n${group === 'owner' ? '' : (list.project ?? '')}`), member);
}

function pairHash(key: Buffer, member: Buffer): bigint {
  return hashOf(key, member);
}

function hashOf(first: Buffer, second: Buffer): bigint {
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(first.length);
  return hasher.h64Raw(Buffer.concat([length, first, second]));
}

function gone(name: string): AppError {
  return new AppError('damaged', `${name} is gone from the store, or cannot be read`, {
    hint: 'Find out what else writes under runs/ in the store, stop it and start the restore again.',
  });
}

function contains(sorted: BigUint64Array, wanted: bigint): boolean {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0n) < wanted) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === wanted;
}
