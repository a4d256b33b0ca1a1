import type { RecordLine, RecordType } from '../../snapshot/record.js';
import type { ExpiryTime } from '../../snapshot/expiry-time.js';
import type { ByteReader, Window } from '../read/bytes.js';
import { item, LineBuilder, pair, scored, type Element } from '../read/pages.js';
import { intset, listpack, packedBytes, packedInteger, ziplist, type Packed } from './packed.js';
import {
  checked,
  encodedString,
  plainLength,
  RdbError,
  readLength,
  readString,
  scoreText,
  timeOf,
} from './primitives.js';
import { streamLines } from './stream.js';

/** What wrote the file: numbers of types from 22 on mean different things. */
export type Dialect = 'redis' | 'valkey';

/** How a value lies in the file. */
type Layout =
  | { readonly as: 'string' }
  | { readonly as: 'stream' }
  | { readonly as: 'each'; readonly type: RecordType; readonly read: (window: Window) => Element }
  | { readonly as: 'nodes'; readonly type: RecordType; readonly read: (window: Window) => Iterable<Element> }
  | { readonly as: 'whole'; readonly type: RecordType; readonly read: (window: Window) => Iterable<Element> };

const LAYOUTS: Readonly<Record<number, Layout>> = {
  0: { as: 'string' },
  1: { as: 'each', type: 'list', read: (window) => item(readString(window)) },
  2: { as: 'each', type: 'set', read: (window) => item(readString(window)) },
  3: { as: 'each', type: 'zset', read: (window) => scored(readString(window), printedScore(window)) },
  4: { as: 'each', type: 'hash', read: (window) => pair(readString(window), readString(window)) },
  5: { as: 'each', type: 'zset', read: (window) => scored(readString(window), scoreText(window.doubleLe())) },
  10: { as: 'whole', type: 'list', read: (window) => items(ziplist(readString(window))) },
  11: { as: 'whole', type: 'set', read: (window) => items(intset(readString(window))) },
  12: { as: 'whole', type: 'zset', read: (window) => scores(ziplist(readString(window))) },
  13: { as: 'whole', type: 'hash', read: (window) => pairs(ziplist(readString(window))) },
  14: { as: 'nodes', type: 'list', read: (window) => items(ziplist(readString(window))) },
  15: { as: 'stream' },
  16: { as: 'whole', type: 'hash', read: (window) => pairs(listpack(readString(window))) },
  17: { as: 'whole', type: 'zset', read: (window) => scores(listpack(readString(window))) },
  18: { as: 'nodes', type: 'list', read: quicklistNode },
  19: { as: 'stream' },
  20: { as: 'whole', type: 'set', read: (window) => items(listpack(readString(window))) },
  21: { as: 'stream' },
};

const VALKEY: Readonly<Record<number, Layout>> = {
  22: {
    as: 'each',
    type: 'hash',
    read: (window) => pair(readString(window), readString(window), lasting(window.i64le())),
  },
};

const REDIS: Readonly<Record<number, Layout>> = {
  25: { as: 'whole', type: 'hash', read: (window) => (window.u64le(), triples(listpack(readString(window)))) },
};

/** A hash of Redis 7.4 and later, in which fields expire: their times count from the earliest. */
const HASH_WITH_TIMES = 24;

/** Whether the value of this type can be read; what cannot be read cannot be passed over either. */
export function isReadable(type: number, dialect: Dialect): boolean {
  return (
    type in LAYOUTS ||
    type in (dialect === 'valkey' ? VALKEY : REDIS) ||
    (dialect === 'redis' && type === HASH_WITH_TIMES)
  );
}

/** The lines of one key's record. Throws RdbError for a value that is damaged. */
export async function* valueLines(
  reader: ByteReader,
  type: number,
  dialect: Dialect,
  head: { readonly key: Buffer; readonly expiry: ExpiryTime | null },
): AsyncGenerator<RecordLine> {
  const layout = LAYOUTS[type] ?? (dialect === 'valkey' ? VALKEY : REDIS)[type];
  if (layout === undefined) {
    yield* gathered({ ...head, type: 'hash' }, hashWithTimes(reader));
    return;
  }
  if (layout.as === 'stream') yield* streamLines(reader, type, head);
  else if (layout.as === 'string') yield* gathered({ ...head, type: 'string' }, stringPieces(reader));
  else yield* gathered({ ...head, type: layout.type }, elementsOf(reader, layout));
}

async function* gathered(
  head: ConstructorParameters<typeof LineBuilder>[0],
  elements: AsyncGenerator<Element>,
): AsyncGenerator<RecordLine> {
  const builder = new LineBuilder(head);
  for await (const element of elements) {
    const line = builder.add(element);
    if (line !== null) yield line;
  }
  yield builder.end();
}

async function* elementsOf(
  reader: ByteReader,
  layout: Extract<Layout, { as: 'each' | 'nodes' | 'whole' }>,
): AsyncGenerator<Element> {
  if (layout.as === 'whole') {
    yield* await reader.read((window) => [...layout.read(window)]);
    return;
  }
  const count = await reader.read(plainLength);
  for (let at = 0; at < count; at++) {
    if (layout.as === 'each') yield await reader.read(layout.read);
    else yield* await reader.read((window) => [...layout.read(window)]);
  }
}

const PIECE = 256 * 1024;

/** A plain string is read in pieces; a packed one has to be unpacked whole. */
async function* stringPieces(reader: ByteReader): AsyncGenerator<Element> {
  const length = await reader.read((window) => {
    const read = readLength(window);
    return 'length' in read ? checked(read.length) : encodedString(window, read.encoding);
  });
  const size = typeof length === 'number' ? length : length.length;
  if (size === 0) yield { value: Buffer.alloc(0), bytes: 0 };
  for (let at = 0; at < size; at += PIECE) {
    const bytes = Math.min(PIECE, size - at);
    const value =
      typeof length === 'number'
        ? await reader.read((window) => Buffer.from(window.bytes(bytes)))
        : length.subarray(at, at + bytes);
    yield { value, bytes };
  }
}

async function* hashWithTimes(reader: ByteReader): AsyncGenerator<Element> {
  const earliest = await reader.read((window) => window.u64le());
  const count = await reader.read(plainLength);
  for (let at = 0; at < count; at++) {
    yield await reader.read((window) => {
      const left = plainLength(window);
      const [field, value] = [readString(window), readString(window)];
      return pair(field, value, left === 0 ? undefined : timeOf(earliest + BigInt(left) - 1n));
    });
  }
}

const PLAIN_NODE = 1;
const PACKED_NODE = 2;

function* quicklistNode(window: Window): Generator<Element> {
  const container = plainLength(window);
  const bytes = readString(window);
  if (container === PLAIN_NODE) yield item(bytes);
  else if (container === PACKED_NODE) yield* items(listpack(bytes));
  else throw new RdbError('a list is damaged');
}

function* items(values: Iterable<Packed>): Generator<Element> {
  for (const value of values) yield item(packedBytes(value));
}

function* pairs(values: Iterable<Packed>): Generator<Element> {
  for (const [field, value] of grouped(values, 2))
    yield pair(packedBytes(field as Packed), packedBytes(value as Packed));
}

/** Field, value, and when the field expires; 0: never. */
function* triples(values: Iterable<Packed>): Generator<Element> {
  for (const [field, value, time] of grouped(values, 3)) {
    const at = packedInteger(time as Packed);
    yield pair(packedBytes(field as Packed), packedBytes(value as Packed), at === 0n ? undefined : timeOf(at));
  }
}

function* scores(values: Iterable<Packed>): Generator<Element> {
  for (const [member, score] of grouped(values, 2))
    yield scored(packedBytes(member as Packed), packedScore(score as Packed));
}

function* grouped(values: Iterable<Packed>, size: number): Generator<Packed[]> {
  let open: Packed[] = [];
  for (const value of values) {
    open.push(value);
    if (open.length < size) continue;
    yield open;
    open = [];
  }
  if (open.length > 0) throw new RdbError('a value lacks its last element');
}

function packedScore(score: Packed): string {
  return typeof score === 'bigint' ? scoreText(Number(score)) : scoreText(numberOf(score.toString('latin1')));
}

function printedScore(window: Window): string {
  const length = window.u8();
  if (length === 253) throw new RdbError('a score is no number');
  if (length >= 254) return length === 254 ? 'inf' : '-inf';
  return scoreText(numberOf(window.bytes(length).toString('latin1')));
}

function numberOf(text: string): number {
  if (/^[+-]?inf$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  return text.trim() === '' ? Number.NaN : Number(text);
}

/** When a field expires; undefined for never. */
function lasting(ms: bigint): ExpiryTime | undefined {
  return ms < 0n ? undefined : timeOf(ms);
}
