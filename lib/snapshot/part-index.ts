import { z } from 'zod';
import { readKnown } from '../control/object.js';
import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import { keyHash } from '../redis/key-sets.js';
import { classifyKey } from '../soulcaster/keys.js';
import type { RecordType } from './record.js';

/** Kind of a key: its type, and its family and project by Soulcaster's key grammar. */
export type KeyKind = readonly [type: string, family: string, project: string | null];

/**
 * The keys of a part as hashes, without their names: kept beside the run until the snapshot is finalized, because the function
 * that takes it may be unable to decrypt a part. Arrays are little-endian in base64.
 */
export const partIndexSchema = z.object({
  /** Two 64-bit hashes (XXH64, seeds 0 and 1) for each record that begins in the part. */
  hashes: z.string(),
  /** 32-bit number of the line on which each record begins. */
  lines: z.string(),
  /** 32-bit index into `table` for each record. */
  kinds: z.string(),
  table: z.array(z.tuple([z.string(), z.string(), z.string().nullable()])),
  /** First lines of void records; -1 for a record that began in an earlier part. */
  voids: z.array(z.number().int()),
});
export type PartIndex = z.infer<typeof partIndexSchema>;

export interface IndexBuilder {
  /** A record of `key` begins on line `line`. */
  begin(key: Buffer, type: RecordType, line: number): void;
  /** The open record is void. */
  voidRecord(): void;
  build(): PartIndex;
}

export function indexBuilder(): IndexBuilder {
  const hashes = column64();
  const lines = column32();
  const kinds = column32();
  let lastLine = -1;
  const table: KeyKind[] = [];
  const positions = new Map<string, Map<string, Map<string | null, number>>>();
  const voids: number[] = [];

  const kindOf = (key: Buffer, type: RecordType): number => {
    const { family, project } = classifyKey(key.toString('utf8'));
    const byProject = getOrAdd(getOrAdd(positions, type), family);
    const known = byProject.get(project);
    if (known !== undefined) return known;
    byProject.set(project, table.length);
    return table.push([type, family, project]) - 1;
  };

  return {
    begin(key, type, line) {
      hashes.push(keyHash(key));
      hashes.push(keyHash(key, 1n));
      lines.push(line);
      lastLine = line;
      kinds.push(kindOf(key, type));
    },
    voidRecord() {
      voids.push(lastLine);
    },
    build: () => ({
      hashes: hashes.base64(),
      lines: lines.base64(),
      kinds: kinds.base64(),
      table: table.map(([type, family, project]) => [type, family, project]),
      voids: [...voids],
    }),
  };
}

/** The map of a name in a map of maps. A single map with a composed name would allocate a string for each key. */
function getOrAdd<K, V>(maps: Map<string, Map<K, V>>, name: string): Map<K, V> {
  const found = maps.get(name);
  if (found !== undefined) return found;
  const added = new Map<K, V>();
  maps.set(name, added);
  return added;
}

/** A part's index with its arrays unpacked. */
export interface UnpackedIndex {
  readonly hashes: BigUint64Array;
  readonly lines: Uint32Array;
  readonly kinds: Uint32Array;
  readonly table: readonly KeyKind[];
  readonly voids: readonly number[];
}

export function unpackIndex(index: PartIndex): UnpackedIndex {
  return {
    hashes: new BigUint64Array(decodeBytes(index.hashes)),
    lines: new Uint32Array(decodeBytes(index.lines)),
    kinds: new Uint32Array(decodeBytes(index.kinds)),
    table: index.table,
    voids: index.voids,
  };
}

/** Reads the index of a part by its number. */
export type IndexReader = (part: number) => Promise<UnpackedIndex>;

/** Reads the indexes that a run stored beside its parts. Throws `damaged` for an index that is gone. */
export function indexReader(store: ObjectStore, run: string, parts: readonly { readonly name: string }[]): IndexReader {
  return async (number) => {
    const file = parts[number]?.name ?? '';
    const index = await readKnown(store, partIndexName(run, file), partIndexSchema);
    if (index !== null) return unpackIndex(index);
    throw new AppError('damaged', `The key index of ${file} is gone from the store, or cannot be read`, {
      hint: 'Something removes objects under runs/ while a snapshot is being taken. Stop it and take another snapshot.',
    });
  };
}

export function partIndexName(run: string, file: string): string {
  return `${partIndexPrefix(run)}${file}.json`;
}

export function partIndexPrefix(run: string): string {
  return `runs/${run}/parts/`;
}

/** A copy, because typed arrays need an aligned offset, and Buffers come from a pool. */
function decodeBytes(encoded: string): ArrayBuffer {
  return new Uint8Array(Buffer.from(encoded, 'base64')).buffer;
}

/** A growing list of unsigned integers of one width. An array of bigints would take several times the memory. */
interface Column<N extends number | bigint> {
  push(value: N): void;
  /** Little-endian, the byte order of every supported machine. */
  base64(): string;
}

const FIRST_VALUES = 1024;

function column32(): Column<number> {
  let values = new Uint32Array(FIRST_VALUES);
  let end = 0;
  return {
    push(value) {
      if (end === values.length) values = copyInto(values, new Uint32Array(2 * end));
      values[end++] = value;
    },
    base64: () => base64Of(values.subarray(0, end)),
  };
}

function column64(): Column<bigint> {
  let values = new BigUint64Array(FIRST_VALUES);
  let end = 0;
  return {
    push(value) {
      if (end === values.length) values = copyInto(values, new BigUint64Array(2 * end));
      values[end++] = value;
    },
    base64: () => base64Of(values.subarray(0, end)),
  };
}

function copyInto<A extends Uint32Array | BigUint64Array>(values: A, larger: A): A {
  larger.set(values as Uint32Array & BigUint64Array);
  return larger;
}

function base64Of({ buffer, byteLength, byteOffset }: Uint32Array | BigUint64Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}
