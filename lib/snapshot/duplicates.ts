import type { Part } from './manifest.js';
import { keySetOf, type KeySet } from './key-set.js';
import type { IndexReader } from './part-index.js';

export interface Duplicate {
  readonly part: number;
  readonly line: number;
}

/**
 * Finds the records to pass over: all but the last of each key, those taken back, and hashes in parts before
 * `hashesFrom`. Needs 8 bytes of memory a key: the first hash of each is sorted to see which come twice, and only those
 * are looked at again, with both hashes.
 */
export async function findDuplicates(parts: readonly Part[], read: IndexReader, hashesFrom = 0): Promise<Duplicate[]> {
  const { hashes, voids } = await collect(parts, read, hashesFrom);
  const earlier = await earlierRecords(parts, read, repeated(hashes));
  return inOrder([...voids.map(({ line, part }) => ({ line, part })), ...earlier]);
}

/** The keys of which a record stands in these parts that counts. Needs 8 bytes of memory a key. */
export async function savedKeys(parts: readonly Part[], read: IndexReader, hashesFrom = 0): Promise<KeySet> {
  const { hashes, voids } = await collect(parts, read, hashesFrom);
  const takenBack = new Set(voids.map(({ place }) => place));
  if (takenBack.size === 0) return keySetOf(hashes);
  let end = 0;
  for (const [place, hash] of hashes.entries()) if (!takenBack.has(place)) hashes[end++] = hash;
  return keySetOf(hashes.subarray(0, end));
}

interface Collected {
  /** The first hash of each record, in the order of the records. */
  readonly hashes: BigUint64Array;
  /** Records that are taken back or count no more, with their place among the hashes. */
  readonly voids: readonly (Duplicate & { readonly place: number })[];
}

async function collect(parts: readonly Part[], read: IndexReader, hashesFrom: number): Promise<Collected> {
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

function repeated(hashes: BigUint64Array): Set<bigint> {
  hashes.sort();
  const twice = new Set<bigint>();
  for (let at = 1; at < hashes.length; at++) {
    const hash = hashes[at];
    if (hash !== undefined && hash === hashes[at - 1]) twice.add(hash);
  }
  return twice;
}

async function earlierRecords(
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

/** Ascending and without repeats: a record may be taken back and come again later. */
function inOrder(doubles: readonly Duplicate[]): Duplicate[] {
  const byPlace = new Map(doubles.map((double) => [`${double.part} ${double.line}`, double]));
  return [...byPlace.values()].sort((a, b) => a.part - b.part || a.line - b.line);
}

/** The lines of one part that are to be passed over. */
export function duplicateLines(doubles: readonly Duplicate[], part: number): Set<number> {
  return new Set(doubles.filter((double) => double.part === part).map((double) => double.line));
}
