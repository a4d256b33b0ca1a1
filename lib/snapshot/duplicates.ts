import type { Part } from './manifest.js';
import { keySetOf, type KeySet } from '../redis/key-sets.js';
import type { IndexReader } from './part-index.js';

export interface Duplicate {
  readonly part: number;
  readonly line: number;
}

/**
 * Finds the records to skip: all but the last record of each key, void records, and hashes in parts before
 * `hashesFrom`. Needs 8 bytes of memory a key: the first hashes are sorted to find those that repeat, and only records with
 * such a hash are compared by both hashes.
 */
export async function findDuplicates(parts: readonly Part[], read: IndexReader, hashesFrom = 0): Promise<Duplicate[]> {
  const { hashes, voids } = await collectHashes(parts, read, hashesFrom);
  const earlier = await findEarlierRecords(parts, read, findRepeated(hashes));
  return sortDistinct([...voids.map(({ line, part }) => ({ line, part })), ...earlier]);
}

/** Reads the keys with a valid record in these parts. Needs 8 bytes of memory a key. */
export async function readSavedKeys(parts: readonly Part[], read: IndexReader, hashesFrom = 0): Promise<KeySet> {
  const { hashes, voids } = await collectHashes(parts, read, hashesFrom);
  const voidPlaces = new Set(voids.map(({ place }) => place));
  if (voidPlaces.size === 0) return keySetOf(hashes);
  let end = 0;
  for (const [place, hash] of hashes.entries()) if (!voidPlaces.has(place)) hashes[end++] = hash;
  return keySetOf(hashes.subarray(0, end));
}

interface Collected {
  /** The first hash of each record, in the order of the records. */
  readonly hashes: BigUint64Array;
  /** Void records, with their place among the hashes. */
  readonly voids: readonly (Duplicate & { readonly place: number })[];
}

async function collectHashes(parts: readonly Part[], read: IndexReader, hashesFrom: number): Promise<Collected> {
  const total = parts.reduce((sum, part) => sum + part.keys, 0);
  const all = new BigUint64Array(total);
  const voids: (Duplicate & { place: number })[] = [];
  let filled = 0;
  let lastStart: (Duplicate & { place: number }) | null = null;
  for (const number of parts.keys()) {
    const index = await read(number);
    const first = filled;
    for (let at = 0; at < index.hashes.length; at += 2) all[filled++] = index.hashes[at] ?? 0n;
    for (const line of index.voids) {
      const from = line === -1 ? lastStart : { part: number, line, place: first + index.lines.indexOf(line) };
      if (from !== null) voids.push(from);
    }
    if (number < hashesFrom) {
      for (const [at, kind] of index.kinds.entries()) {
        if (index.table[kind]?.[0] !== 'hash') continue;
        voids.push({ part: number, line: index.lines[at] ?? 0, place: first + at });
      }
    }
    const line = index.lines.at(-1);
    if (line !== undefined) lastStart = { part: number, line, place: filled - 1 };
  }
  return { hashes: all.subarray(0, filled), voids };
}

function findRepeated(hashes: BigUint64Array): Set<bigint> {
  hashes.sort();
  const repeated = new Set<bigint>();
  for (let at = 1; at < hashes.length; at++) {
    const hash = hashes[at];
    if (hash !== undefined && hash === hashes[at - 1]) repeated.add(hash);
  }
  return repeated;
}

async function findEarlierRecords(
  parts: readonly Part[],
  read: IndexReader,
  candidates: ReadonlySet<bigint>,
): Promise<Duplicate[]> {
  if (candidates.size === 0) return [];
  const latest = new Map<string, Duplicate>();
  const earlier: Duplicate[] = [];
  for (const number of parts.keys()) {
    const index = await read(number);
    for (const [at, line] of index.lines.entries()) {
      const hash = index.hashes[2 * at] ?? 0n;
      if (!candidates.has(hash)) continue;
      const name = `${hash} ${index.hashes[2 * at + 1] ?? 0n}`;
      const before = latest.get(name);
      if (before !== undefined) earlier.push(before);
      latest.set(name, { part: number, line });
    }
  }
  return earlier;
}

/** Ascending and without repeats: a record may be void and also have a later one. */
function sortDistinct(duplicates: readonly Duplicate[]): Duplicate[] {
  const byPlace = new Map(duplicates.map((each) => [`${each.part} ${each.line}`, each]));
  return [...byPlace.values()].sort((a, b) => a.part - b.part || a.line - b.line);
}

/** The lines of one part whose records are to be skipped. */
export function duplicateLines(duplicates: readonly Duplicate[], part: number): Set<number> {
  return new Set(duplicates.filter((each) => each.part === part).map(({ line }) => line));
}
