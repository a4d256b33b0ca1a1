import type { Part } from './manifest.js';
import type { UnpackedIndex } from './part-index.js';

export interface Double {
  readonly part: number;
  readonly line: number;
}

/** Gives the index of a part by its number; called once or twice for each, in ascending order. */
export type IndexReader = (part: number) => Promise<UnpackedIndex>;

/**
 * Finds the records to pass over: all but the last of each key, and those taken back. Needs 8 bytes of memory a key:
 * the first hash of each is sorted to see which come twice, and only those are looked at again, with both hashes.
 */
export async function findDoubles(parts: readonly Part[], read: IndexReader): Promise<Double[]> {
  const total = parts.reduce((sum, part) => sum + part.keys, 0);
  const all = new BigUint64Array(total);
  const voids: Double[] = [];
  let filled = 0;
  let lastStart: Double | null = null;
  for (const number of parts.keys()) {
    const index = await read(number);
    for (let at = 0; at < index.hashes.length; at += 2) all[filled++] = index.hashes[at] ?? 0n;
    for (const line of index.voids) {
      const from: Double | null = line === -1 ? lastStart : { part: number, line };
      if (from !== null) voids.push(from);
    }
    const line = index.lines.at(-1);
    if (line !== undefined) lastStart = { part: number, line };
  }
  const earlier = await earlierRecords(parts, read, repeated(all.subarray(0, filled)));
  return inOrder([...voids, ...earlier]);
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
): Promise<Double[]> {
  if (candidates.size === 0) return [];
  const latest = new Map<string, Double>();
  const earlier: Double[] = [];
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
function inOrder(doubles: readonly Double[]): Double[] {
  const byPlace = new Map(doubles.map((double) => [`${double.part} ${double.line}`, double]));
  return [...byPlace.values()].sort((a, b) => a.part - b.part || a.line - b.line);
}

/** The lines of one part that are to be passed over. */
export function doubledLines(doubles: readonly Double[], part: number): Set<number> {
  return new Set(doubles.filter((double) => double.part === part).map((double) => double.line));
}
