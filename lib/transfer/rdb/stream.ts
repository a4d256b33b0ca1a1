import type { ExpiryTime, Count, PendingEntry, RecordLine, StreamGroup, StreamValue } from '../../snapshot/record.js';
import { toText, type Text } from '../../soulcaster/text.js';
import type { ByteReader, Window } from '../read/bytes.js';
import { toEntry, LineBuilder, type Element } from '../read/items.js';
import { readListpack, toBytes, toInteger, type Packed } from './packed.js';
import { readPlainCount, readPlainLength, RdbError, readString } from './primitives.js';

const SECOND_FORM = 19;
const THIRD_FORM = 21;

const DELETED = 1n;
const SAME_FIELDS = 2n;

/** The lines of a stream; `type` is one of the three forms of servers. */
export async function* streamLines(
  reader: ByteReader,
  type: number,
  { key, expiry }: { readonly key: Buffer; readonly expiry: ExpiryTime | null },
): AsyncGenerator<RecordLine> {
  const builder = new LineBuilder({ key, type: 'stream', expiry });
  const nodes = await reader.read(readPlainLength);
  for (let at = 0; at < nodes; at++) {
    const entries = await reader.read((window) => [...readEntries(readString(window), readString(window))]);
    for (const each of entries) {
      const line = builder.add(each);
      if (line !== null) yield line;
    }
  }
  yield builder.end(await readTail(reader, type));
}

/** The entries of one node: their ids are relative to the node's id, and most have the node's fields. */
function* readEntries(name: Buffer, packed: Buffer): Generator<Element> {
  if (name.length !== 16) throw new RdbError('a stream is damaged');
  const [ms, sequence] = [name.readBigUInt64BE(0), name.readBigUInt64BE(8)];
  const values = readListpack(packed);
  const next = (): Packed => {
    const found = values.next();
    if (found.done === true) throw new RdbError('a stream is damaged');
    return found.value;
  };
  const number = (): bigint => toInteger(next());
  const left = number() + number();
  const shared = readTexts(Number(number()), next);
  number();
  for (let at = 0n; at < left; at++) {
    const flags = number();
    const id = `${BigInt.asUintN(64, ms + number())}-${BigInt.asUintN(64, sequence + number())}`;
    const fields: Text[] = [];
    if ((flags & SAME_FIELDS) !== 0n) for (const field of shared) fields.push(field, toText(toBytes(next())));
    else for (const field of readTexts(Number(number()) * 2, next)) fields.push(field);
    number();
    if ((flags & DELETED) === 0n) yield toEntry(id, fields);
  }
}

function readTexts(count: number, next: () => Packed): Text[] {
  const texts: Text[] = [];
  // A wrong count throws at the end of the values.
  while (texts.length < count) texts.push(toText(toBytes(next())));
  return texts;
}

async function readTail(reader: ByteReader, type: number): Promise<Omit<StreamValue, 'entries'>> {
  const head = await reader.read((window) => {
    const length = readPlainLength(window);
    const lastId = readId(window);
    if (type < SECOND_FORM) return { lastId, entriesAdded: length as Count };
    readId(window);
    return { lastId, maxDeletedId: readId(window), entriesAdded: toCount(readPlainCount(window)) };
  });
  const groups: StreamGroup[] = [];
  const count = await reader.read(readPlainLength);
  for (let at = 0; at < count; at++) groups.push(await readGroup(reader, type));
  return { ...head, groups };
}

async function readGroup(reader: ByteReader, type: number): Promise<StreamGroup> {
  const head = await reader.read((window) => {
    const name = toText(readString(window));
    const lastId = readId(window);
    // -1 when unknown.
    const read = type < SECOND_FORM ? -1n : BigInt.asIntN(64, readPlainCount(window));
    return { name, lastId, entriesRead: read < 0n ? null : toCount(read), size: readPlainLength(window) };
  });
  const delivered = new Map<string, [time: number, deliveries: Count]>();
  for (let at = 0; at < head.size; at++) {
    const [id, time, deliveries] = await reader.read(
      (window) => [readRawId(window), Number(window.i64le()), toCount(readPlainCount(window))] as const,
    );
    delivered.set(id, [time, deliveries]);
  }
  const owners = new Map<string, Text>();
  const consumers: Text[] = [];
  const size = await reader.read(readPlainLength);
  for (let at = 0; at < size; at++) {
    const [name, pending] = await reader.read((window) => {
      const own = toText(readString(window));
      window.bytes(type < THIRD_FORM ? 8 : 16);
      return [own, readPlainLength(window)] as const;
    });
    consumers.push(name);
    for (let each = 0; each < pending; each++) owners.set(await reader.read(readRawId), name);
  }
  const { entriesRead, lastId, name } = head;
  return { name, lastId, entriesRead, consumers, pending: toPending(delivered, owners) };
}

function toPending(delivered: ReadonlyMap<string, [number, Count]>, owners: ReadonlyMap<string, Text>): PendingEntry[] {
  return [...delivered].map(([id, [time, deliveries]]) => {
    const owner = owners.get(id);
    if (owner === undefined) throw new RdbError('a stream is damaged');
    return [id, owner, time, deliveries];
  });
}

function readId(window: Window): string {
  return `${readPlainCount(window)}-${readPlainCount(window)}`;
}

function readRawId(window: Window): string {
  return `${window.u64be()}-${window.u64be()}`;
}

function toCount(value: bigint): Count {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
}
