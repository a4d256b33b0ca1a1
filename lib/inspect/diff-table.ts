import { contentBuilder, type Content, type FieldRule } from '../restore/compare/content.js';
import { toArgument, type RecordLine } from '../snapshot/record.js';
import { keyHash } from '../redis/key-sets.js';
import type { ClassifiedKey } from '../soulcaster/keys.js';
import { fieldOf, type Fields } from '../soulcaster/text.js';
import type { KeyRecord } from './records.js';

/** A key on one side of a comparison. */
export interface Entry {
  readonly key: Buffer;
  readonly known: ClassifiedKey;
  /** The project that the key names; of a job, the one in its `project_id` field. */
  readonly project: string | null;
  readonly type: string;
  /** Null for a value that no record can hold: a module's type, or too large to be read. */
  readonly digest: { readonly value: bigint; readonly expiry: number } | null;
  /** The record, where it is a single line. */
  readonly line: RecordLine | null;
}

/** Horizon 0: both sides are in the past, so no field is treated as about to expire. */
export const PLAIN_RULE: FieldRule = { fieldExpiry: true, horizon: 0 };

/** Reads the record's `rest`. */
export async function entryOf({ first, key, known, rest }: KeyRecord): Promise<Entry> {
  const content = contentBuilder(first, PLAIN_RULE);
  for await (const line of rest ?? []) content.add(line);
  return entryFrom(key, known, content.finish(), first, rest === null);
}

/** `first` is the record's first line, `isWhole` whether it is the only one. */
export function entryFrom(
  key: Buffer,
  known: ClassifiedKey,
  content: Content,
  first: RecordLine | null,
  isWhole: boolean,
): Entry {
  const { expiry, fields, stream, type, value } = content;
  return {
    key,
    known,
    project: projectOf(known, first),
    type,
    digest: {
      value: hashOf(`${value} ${stream?.exact ?? ''}`),
      expiry: Number(hashOf(`${expiry === undefined ? '' : String(toArgument(expiry))} ${fields}`) & 0xffffffffn),
    },
    line: isWhole ? first : null,
  };
}

export function projectOf({ family, project }: ClassifiedKey, line: RecordLine | null): string | null {
  if (project !== null || family !== 'job' || line?.t !== 'hash') return project;
  return fieldOf(line.v as Fields, 'project_id');
}

function hashOf(text: string): bigint {
  return keyHash(Buffer.from(text));
}

/** Type, key family and project of a key. */
export interface Kind {
  readonly type: string;
  readonly family: string;
  readonly project: string | null;
}

/** One key of the table. */
export interface Row extends Kind {
  /** XXH64 of the value. */
  readonly value: bigint;
  /** The lower half of the XXH64 of the expiries of the key and its fields. */
  readonly expiry: number;
}

/** All keys of one side of a comparison by their hashes: about 40 bytes a key, however long names and values are. */
export interface DiffTable {
  readonly size: number;
  add(entry: Entry): void;
  /** The place of a key; -1 when it is not in the table. Once in 2^64 / size two keys have the same hash. */
  placeOf(key: Buffer): number;
  row(place: number): Row;
  /** Marks a row as present on the other side; false when it was marked before. */
  match(place: number): boolean;
  isMatched(place: number): boolean;
}

const FIRST_ROWS = 1024;
const EMPTY = -1;

/** Memory for `expected` rows is allocated at once: while a table grows, it takes twice its size. */
export function diffTable(expected = FIRST_ROWS): DiffTable {
  const kinds = kindNumbers();
  let size = 0;
  let rows = columns(Math.max(FIRST_ROWS, expected));
  let slots = emptySlots(rows.keys.length);

  /** The slot that holds the place of a hash, or the empty one to put it into. */
  const slotOf = (hash: bigint): number => {
    const mask = slots.length - 1;
    let at = Number(hash & BigInt(mask));
    for (let place = slots[at] ?? EMPTY; place !== EMPTY && rows.keys[place] !== hash; place = slots[at] ?? EMPTY) {
      at = (at + 1) & mask;
    }
    return at;
  };
  const grow = (): void => {
    const larger = columns(2 * rows.keys.length);
    for (const name of ['keys', 'values'] as const) larger[name].set(rows[name]);
    for (const name of ['expiries', 'kinds'] as const) larger[name].set(rows[name]);
    larger.matched.set(rows.matched);
    rows = larger;
    slots = emptySlots(rows.keys.length);
    for (let place = 0; place < size; place++) slots[slotOf(rows.keys[place] ?? 0n)] = place;
  };

  return {
    get size() {
      return size;
    },
    add({ digest, key, known, project, type }) {
      if (size === rows.keys.length) grow();
      const hash = keyHash(key);
      const slot = slotOf(hash);
      const place = slots[slot] === EMPTY ? size++ : (slots[slot] ?? 0);
      slots[slot] = place;
      rows.keys[place] = hash;
      rows.values[place] = digest?.value ?? 0n;
      rows.expiries[place] = digest?.expiry ?? 0;
      rows.kinds[place] = kinds.numberOf({ type, family: known.family, project });
    },
    placeOf: (key) => slots[slotOf(keyHash(key))] ?? EMPTY,
    row: (place) => ({
      ...kinds.at(rows.kinds[place] ?? 0),
      value: rows.values[place] ?? 0n,
      expiry: rows.expiries[place] ?? 0,
    }),
    match(place) {
      const isFirst = rows.matched[place] === 0;
      rows.matched[place] = 1;
      return isFirst;
    },
    isMatched: (place) => rows.matched[place] === 1,
  };
}

/** A power of two slots, at least a third of which stay empty. */
function emptySlots(rows: number): Int32Array {
  return new Int32Array(2 ** Math.ceil(Math.log2(1.5 * rows))).fill(EMPTY);
}

function columns(length: number) {
  return {
    keys: new BigUint64Array(length),
    values: new BigUint64Array(length),
    expiries: new Uint32Array(length),
    kinds: new Uint32Array(length),
    matched: new Uint8Array(length),
  };
}

function kindNumbers() {
  const all: Kind[] = [];
  const numbers = new Map<string, number>();
  return {
    numberOf(kind: Kind): number {
      const name = JSON.stringify([kind.type, kind.family, kind.project]);
      const known = numbers.get(name) ?? all.push(kind) - 1;
      numbers.set(name, known);
      return known;
    },
    at: (number: number): Kind => all[number] ?? { type: '', family: '', project: null },
  };
}
