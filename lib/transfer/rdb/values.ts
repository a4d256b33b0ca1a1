import type { RecordLine, RecordType, ExpiryTime } from '../../snapshot/record.js';
import type { ByteReader, Window } from '../read/bytes.js';
import { toItem, LineBuilder, toPair, toScored, type Element } from '../read/items.js';
import { readIntset, readListpack, toBytes, toInteger, readZiplist, type Packed } from './packed.js';
import {
  checkStringLength,
  readEncodedString,
  readPlainLength,
  RdbError,
  readLength,
  readString,
  formatScore,
  toTime,
} from './primitives.js';
import { streamLines } from './stream.js';

/** The server that wrote the file: type numbers from 22 on differ. */
export type Dialect = 'redis' | 'valkey';

/** How a value is laid out in the file. */
type Layout =
  | { readonly as: 'string' }
  | { readonly as: 'stream' }
  | { readonly as: 'each'; readonly type: RecordType; readonly read: (window: Window) => Element }
  | { readonly as: 'nodes'; readonly type: RecordType; readonly read: (window: Window) => Iterable<Element> }
  | { readonly as: 'whole'; readonly type: RecordType; readonly read: (window: Window) => Iterable<Element> };

const LAYOUTS: Readonly<Record<number, Layout>> = {
  0: { as: 'string' },
  1: { as: 'each', type: 'list', read: (window) => toItem(readString(window)) },
  2: { as: 'each', type: 'set', read: (window) => toItem(readString(window)) },
  3: { as: 'each', type: 'zset', read: (window) => toScored(readString(window), readPrintedScore(window)) },
  4: { as: 'each', type: 'hash', read: (window) => toPair(readString(window), readString(window)) },
  5: { as: 'each', type: 'zset', read: (window) => toScored(readString(window), formatScore(window.doubleLe())) },
  10: { as: 'whole', type: 'list', read: (window) => toItems(readZiplist(readString(window))) },
  11: { as: 'whole', type: 'set', read: (window) => toItems(readIntset(readString(window))) },
  12: { as: 'whole', type: 'zset', read: (window) => toScores(readZiplist(readString(window))) },
  13: { as: 'whole', type: 'hash', read: (window) => toPairs(readZiplist(readString(window))) },
  14: { as: 'nodes', type: 'list', read: (window) => toItems(readZiplist(readString(window))) },
  15: { as: 'stream' },
  16: { as: 'whole', type: 'hash', read: (window) => toPairs(readListpack(readString(window))) },
  17: { as: 'whole', type: 'zset', read: (window) => toScores(readListpack(readString(window))) },
  18: { as: 'nodes', type: 'list', read: readQuicklistNode },
  19: { as: 'stream' },
  20: { as: 'whole', type: 'set', read: (window) => toItems(readListpack(readString(window))) },
  21: { as: 'stream' },
};

const VALKEY_LAYOUTS: Readonly<Record<number, Layout>> = {
  22: {
    as: 'each',
    type: 'hash',
    read: (window) => toPair(readString(window), readString(window), parseFieldExpiry(window.i64le())),
  },
};

const REDIS_LAYOUTS: Readonly<Record<number, Layout>> = {
  25: {
    as: 'whole',
    type: 'hash',
    read: (window) => (window.u64le(), toExpiringPairs(readListpack(readString(window)))),
  },
};

/** A hash of Redis 7.4 or later with expiring fields: their times are relative to the earliest. */
const HASH_WITH_TIMES = 24;

/** Whether a value of this type can be read; an unreadable one cannot be skipped either. */
export function isReadable(type: number, dialect: Dialect): boolean {
  return (
    type in LAYOUTS ||
    type in (dialect === 'valkey' ? VALKEY_LAYOUTS : REDIS_LAYOUTS) ||
    (dialect === 'redis' && type === HASH_WITH_TIMES)
  );
}

/** The lines of one key's record. Throws RdbError for a damaged value. */
export async function* valueLines(
  reader: ByteReader,
  type: number,
  dialect: Dialect,
  head: { readonly key: Buffer; readonly expiry: ExpiryTime | null },
): AsyncGenerator<RecordLine> {
  const layout = LAYOUTS[type] ?? (dialect === 'valkey' ? VALKEY_LAYOUTS : REDIS_LAYOUTS)[type];
  if (layout === undefined) {
    yield* buildLines({ ...head, type: 'hash' }, readHashWithTimes(reader));
    return;
  }
  if (layout.as === 'stream') yield* streamLines(reader, type, head);
  else if (layout.as === 'string') yield* buildLines({ ...head, type: 'string' }, readStringPieces(reader));
  else yield* buildLines({ ...head, type: layout.type }, readElements(reader, layout));
}

async function* buildLines(
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

async function* readElements(
  reader: ByteReader,
  layout: Extract<Layout, { as: 'each' | 'nodes' | 'whole' }>,
): AsyncGenerator<Element> {
  if (layout.as === 'whole') {
    yield* await reader.read((window) => [...layout.read(window)]);
    return;
  }
  const count = await reader.read(readPlainLength);
  for (let at = 0; at < count; at++) {
    if (layout.as === 'each') yield await reader.read(layout.read);
    else yield* await reader.read((window) => [...layout.read(window)]);
  }
}

const PIECE_BYTES = 256 * 1024;

/** A plain string is read in pieces; a compressed one has to be decompressed as a whole. */
async function* readStringPieces(reader: ByteReader): AsyncGenerator<Element> {
  const length = await reader.read((window) => {
    const read = readLength(window);
    return 'length' in read ? checkStringLength(read.length) : readEncodedString(window, read.encoding);
  });
  const size = typeof length === 'number' ? length : length.length;
  if (size === 0) yield { value: Buffer.alloc(0), bytes: 0 };
  for (let at = 0; at < size; at += PIECE_BYTES) {
    const bytes = Math.min(PIECE_BYTES, size - at);
    const value =
      typeof length === 'number'
        ? await reader.read((window) => Buffer.from(window.bytes(bytes)))
        : length.subarray(at, at + bytes);
    yield { value, bytes };
  }
}

async function* readHashWithTimes(reader: ByteReader): AsyncGenerator<Element> {
  const earliest = await reader.read((window) => window.u64le());
  const count = await reader.read(readPlainLength);
  for (let at = 0; at < count; at++) {
    yield await reader.read((window) => {
      const left = readPlainLength(window);
      const [field, value] = [readString(window), readString(window)];
      return toPair(field, value, left === 0 ? undefined : toTime(earliest + BigInt(left) - 1n));
    });
  }
}

const PLAIN_NODE = 1;
const PACKED_NODE = 2;

function* readQuicklistNode(window: Window): Generator<Element> {
  const container = readPlainLength(window);
  const bytes = readString(window);
  if (container === PLAIN_NODE) yield toItem(bytes);
  else if (container === PACKED_NODE) yield* toItems(readListpack(bytes));
  else throw new RdbError('a list is damaged');
}

function* toItems(values: Iterable<Packed>): Generator<Element> {
  for (const value of values) yield toItem(toBytes(value));
}

function* toPairs(values: Iterable<Packed>): Generator<Element> {
  for (const [field, value] of groupValues(values, 2)) yield toPair(toBytes(field as Packed), toBytes(value as Packed));
}

/** Field, value, and when the field expires; 0: never. */
function* toExpiringPairs(values: Iterable<Packed>): Generator<Element> {
  for (const [field, value, time] of groupValues(values, 3)) {
    const at = toInteger(time as Packed);
    yield toPair(toBytes(field as Packed), toBytes(value as Packed), at === 0n ? undefined : toTime(at));
  }
}

function* toScores(values: Iterable<Packed>): Generator<Element> {
  for (const [member, score] of groupValues(values, 2))
    yield toScored(toBytes(member as Packed), formatPackedScore(score as Packed));
}

function* groupValues(values: Iterable<Packed>, size: number): Generator<Packed[]> {
  let open: Packed[] = [];
  for (const value of values) {
    open.push(value);
    if (open.length < size) continue;
    yield open;
    open = [];
  }
  if (open.length > 0) throw new RdbError('a value lacks its last element');
}

function formatPackedScore(score: Packed): string {
  return typeof score === 'bigint' ? formatScore(Number(score)) : formatScore(parseScore(score.toString('latin1')));
}

function readPrintedScore(window: Window): string {
  const length = window.u8();
  if (length === 253) throw new RdbError('a score is not a number');
  if (length >= 254) return length === 254 ? 'inf' : '-inf';
  return formatScore(parseScore(window.bytes(length).toString('latin1')));
}

function parseScore(text: string): number {
  if (/^[+-]?inf$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  return text.trim() === '' ? Number.NaN : Number(text);
}

/** When a field expires; undefined for never. */
function parseFieldExpiry(ms: bigint): ExpiryTime | undefined {
  return ms < 0n ? undefined : toTime(ms);
}
