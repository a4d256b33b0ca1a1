import { createHash } from 'node:crypto';
import xxhash from 'xxhash-wasm';
import { frame } from './frame.js';
import { numbers, type Numbers } from './numbers.js';

/** The elements of an unordered collection, as hashes. */
export interface ElementBag {
  /** A member, or a name and its value. */
  add(...pieces: [name: Buffer] | [name: Buffer, value: Buffer]): void;
  isEmpty(): boolean;
  /** SHA-256 of the elements, in hex; independent of their order and of repetitions. Ends the bag. */
  digest(): string;
}

const hasher = await xxhash();
const SEED_A = 0n;
const SEED_B = 1n;
const SEED_NAME = 2n;

/**
 * Keeps two independent 64-bit hashes (XXH64) of each element. Each column of hashes is sorted separately: two bags
 * that differ in an element would have to collide in both. `named` bags keep a third hash, of the name only: when a
 * page is read twice, the later value of a name counts, as it does when both are written.
 */
export function elementBag({ named }: { readonly named: boolean }): ElementBag {
  const columns = [numbers(), numbers()] as const;
  const names = named ? numbers() : null;
  return {
    add(...pieces) {
      const framed = frame(pieces);
      columns[0].push(hasher.h64Raw(framed, SEED_A));
      columns[1].push(hasher.h64Raw(framed, SEED_B));
      names?.push(hasher.h64Raw(pieces[0], SEED_NAME));
    },
    isEmpty: () => columns[0].values().length === 0,
    digest() {
      const outdated = names === null ? NONE : earlierOfEachName(names);
      const sum = createHash('sha256');
      for (const column of columns) {
        const hashes = distinct(without(column.values(), outdated));
        sum.update(new Uint8Array(hashes.buffer, hashes.byteOffset, hashes.byteLength));
      }
      return sum.digest('hex');
    },
  };
}

const NONE: ReadonlySet<number> = new Set();

/** Positions of the elements whose name occurs again later. */
function earlierOfEachName(names: Numbers): ReadonlySet<number> {
  const repeated = repeats(names.values().slice().sort());
  if (repeated.size === 0) return NONE;
  const earlier = new Set<number>();
  const seen = new Set<bigint>();
  const all = names.values();
  for (let at = all.length - 1; at >= 0; at--) {
    const name = all[at] ?? 0n;
    if (!repeated.has(name)) continue;
    if (seen.has(name)) earlier.add(at);
    seen.add(name);
  }
  return earlier;
}

function repeats(sorted: BigUint64Array): ReadonlySet<bigint> {
  const found = new Set<bigint>();
  for (let at = 1; at < sorted.length; at++) {
    const value = sorted[at];
    if (value !== undefined && value === sorted[at - 1]) found.add(value);
  }
  return found;
}

function without(values: BigUint64Array<ArrayBuffer>, positions: ReadonlySet<number>): BigUint64Array<ArrayBuffer> {
  return positions.size === 0 ? values : values.filter((_, at) => !positions.has(at));
}

/** Sorts in place, and moves the distinct values to the front. */
function distinct(values: BigUint64Array<ArrayBuffer>): BigUint64Array<ArrayBuffer> {
  values.sort();
  let kept = 0;
  for (const value of values) {
    if (kept === 0 || value !== values[kept - 1]) values[kept++] = value;
  }
  return values.subarray(0, kept);
}
