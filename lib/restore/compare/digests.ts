import { createHash } from 'node:crypto';
import xxhash from 'xxhash-wasm';
import type { PendingEntry, StreamGroup, StreamValue } from '../../snapshot/record.js';
import { fromText, type Text } from '../../soulcaster/text.js';

/** Prefixes the pieces with their number and lengths, so that different lists of pieces never give the same bytes. */
export function frame(pieces: readonly Buffer[]): Buffer {
  const framed = Buffer.allocUnsafe(pieces.reduce((sum, piece) => sum + 4 + piece.length, 4));
  let at = framed.writeUInt32LE(pieces.length);
  for (const piece of pieces) {
    at = framed.writeUInt32LE(piece.length, at);
    at += piece.copy(framed, at);
  }
  return framed;
}

/** Unsigned 64-bit numbers in a buffer that grows. */
interface Numbers {
  push(value: bigint): void;
  /** All of them, as a view on the buffer. */
  values(): BigUint64Array<ArrayBuffer>;
}

const FIRST_VALUES = 32;

function numbers(): Numbers {
  let buffer = new BigUint64Array(FIRST_VALUES);
  let count = 0;
  return {
    push(value) {
      if (count === buffer.length) {
        const larger = new BigUint64Array(2 * count);
        larger.set(buffer);
        buffer = larger;
      }
      buffer[count++] = value;
    },
    values: () => buffer.subarray(0, count),
  };
}

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

/** A stream's state beside its entries, in a fixed order. */
export interface StreamState {
  /** The last id and the groups with everything that must be equal, as text. */
  readonly exact: string;
  /** When each pending entry was delivered, in milliseconds since the epoch, in the order of `exact`. */
  readonly deliveredAt: readonly number[];
}

interface StreamDigest {
  add(value: StreamValue): void;
  finish(): { readonly value: string; readonly stream: StreamState };
}

/**
 * XPENDING reports the time since a delivery, a request or more after the clock was read: the computed delivery time is
 * too early by the duration of these requests.
 */
const DELIVERY_TOLERANCE_MS = 60_000;

export function sameState(a: StreamState | null, b: StreamState | null): boolean {
  if (a === null || b === null) return a === b;
  if (a.exact !== b.exact) return false;
  return a.deliveredAt.every((time, at) => Math.abs(time - (b.deliveredAt[at] ?? 0)) <= DELIVERY_TOLERANCE_MS);
}

/** Entries in order go into a SHA-256; their ids are kept (16 bytes each), to find which pending entries still exist. */
export function streamDigest(): StreamDigest {
  const sum = createHash('sha256');
  const ids = entryIds();
  let lastId = '0-0';
  let groups: readonly StreamGroup[] = [];
  return {
    add(value) {
      for (const [id, fields] of value.entries) {
        sum.update(frame([Buffer.from(id), ...fields.map(fromText)]));
        ids.add(id);
      }
      lastId = value.lastId ?? lastId;
      groups = value.groups ?? groups;
    },
    finish: () => ({ value: sum.digest('hex'), stream: stateOf(lastId, groups, ids) }),
  };
}

function stateOf(lastId: string, groups: readonly StreamGroup[], ids: EntryIds): StreamState {
  const deliveredAt: number[] = [];
  const exact = [...groups]
    .sort((a, b) => fromText(a.name).compare(fromText(b.name)))
    .map((group) => {
      const pending = group.pending.filter(([id]) => ids.has(id)).sort(byId);
      deliveredAt.push(...pending.map(([, , time]) => time));
      return [
        hex(group.name),
        group.lastId,
        group.consumers.map(hex).sort(),
        pending.map(([id, consumer, , deliveries]) => [id, hex(consumer), deliveries]),
      ];
    });
  return { exact: JSON.stringify([lastId, exact]), deliveredAt };
}

function byId([a]: PendingEntry, [b]: PendingEntry): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function hex(text: Text): string {
  return fromText(text).toString('hex');
}

interface EntryIds {
  /** Ids must be added in ascending order, as a stream has them. */
  add(id: string): void;
  has(id: string): boolean;
}

function entryIds(): EntryIds {
  const times = numbers();
  const sequences = numbers();
  return {
    add(id) {
      const [time, sequence] = partsOf(id);
      times.push(time);
      sequences.push(sequence);
    },
    has(id) {
      const [time, sequence] = partsOf(id);
      const [allTimes, allSequences] = [times.values(), sequences.values()];
      let [from, to] = [0, allTimes.length];
      while (from < to) {
        const middle = (from + to) >>> 1;
        const before = (allTimes[middle] ?? 0n) - time || (allSequences[middle] ?? 0n) - sequence;
        if (before === 0n) return true;
        if (before < 0n) from = middle + 1;
        else to = middle;
      }
      return false;
    },
  };
}

function partsOf(id: string): [time: bigint, sequence: bigint] {
  const [time = '0', sequence = '0'] = id.split('-');
  return [BigInt(time), BigInt(sequence)];
}
