import xxhash from 'xxhash-wasm';
import { AppError } from '../../errors.js';
import { decodeJson, encodeJson } from '../../json.js';
import type { ObjectStore } from '../../ports/store.js';
import type { ClassifiedKey } from '../../soulcaster/keys.js';
import { memberListOf } from '../../soulcaster/member-lists.js';

const hasher = await xxhash();

/**
 * Which lists hold which members, as pairs of 64-bit hashes: 16 bytes a membership, and no ids in the store. An absent
 * pair is taken for a present one once in 2^64 / size.
 */
export interface Placements {
  /** Whether any list of this list's group holds the member. */
  isInGroup(list: ClassifiedKey, member: Buffer): boolean;
  /** Whether this list holds the member. */
  isInList(list: ClassifiedKey, key: Buffer, member: Buffer): boolean;
}

export interface PlacementWriter {
  add(list: ClassifiedKey, key: Buffer, member: Buffer): void;
  /** Stores all pairs under names that begin with `name`. */
  save(store: ObjectStore, name: string): Promise<void>;
}

export function placementPrefix(run: string): string {
  return `runs/${run}/placed/`;
}

/** Hashes per object, since control objects of more than 64 MiB are not read. Even: pairs are not split. */
const PER_OBJECT = 2 ** 20;

export function placementWriter(): PlacementWriter {
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

/** All memberships stored under the prefix. */
export async function readPlacements(store: ObjectStore, prefix: string): Promise<Placements> {
  const names: string[] = [];
  for await (const { name } of store.list(prefix)) names.push(name);
  const chunks: BigUint64Array[] = [];
  for (const name of names) {
    const found = await store.read(name);
    // Taken as empty, members would be added to a second list, or removed from the right one.
    if (found === null)
      throw new AppError('damaged', `${name} is gone from the store, or cannot be read`, {
        hint: 'Find out what else writes to runs/ in the store, stop it, and start the restore again.',
      });
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
    isInGroup: (list, member) => contains(members, memberHash(list, member)),
    isInList: (_, key, member) => contains(pairs, pairHash(key, member)),
  };
}

/** A list without a group is a group by itself. */
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

function contains(sorted: BigUint64Array, wanted: bigint): boolean {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0n) < wanted) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === wanted;
}
