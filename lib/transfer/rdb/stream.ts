import type { ExpiryTime } from '../../snapshot/expiry-time.js';
import type { Count, PendingEntry, RecordLine, StreamGroup, StreamValue } from '../../snapshot/record.js';
import { toText, type Text } from '../../snapshot/text.js';
import type { ByteReader, Window } from '../read/bytes.js';
import { entry, LineBuilder, type Element } from '../read/pages.js';
import { listpack, packedBytes, packedInteger, type Packed } from './packed.js';
import { plainCount, plainLength, RdbError, readString } from './primitives.js';

const SECOND = 19;
const THIRD = 21;

const DELETED = 1n;
const SAME_FIELDS = 2n;

/** The lines of a stream; `type` is one of the three forms that servers wrote. */
export async function* streamLines(
  reader: ByteReader,
  type: number,
  { key, expiry }: { readonly key: Buffer; readonly expiry: ExpiryTime | null },
): AsyncGenerator<RecordLine> {
  const builder = new LineBuilder({ key, type: 'stream', expiry });
  const nodes = await reader.read(plainLength);
  for (let at = 0; at < nodes; at++) {
    const entries = await reader.read((window) => [...entriesOf(readString(window), readString(window))]);
    for (const each of entries) {
      const line = builder.add(each);
      if (line !== null) yield line;
    }
  }
  yield builder.end(await tailOf(reader, type));
}

/** The entries of one node: their ids count from the node's, their fields mostly are the node's. */
function* entriesOf(name: Buffer, packed: Buffer): Generator<Element> {
  if (name.length !== 16) throw new RdbError('a stream is damaged');
  const [ms, sequence] = [name.readBigUInt64BE(0), name.readBigUInt64BE(8)];
  const values = listpack(packed);
  const next = (): Packed => {
    const found = values.next();
    if (found.done === true) throw new RdbError('a stream is damaged');
    return found.value;
  };
  const number = (): bigint => packedInteger(next());
  const left = number() + number();
  const shared = many(Number(number()), next);
  number();
  for (let at = 0n; at < left; at++) {
    const flags = number();
    const id = `${BigInt.asUintN(64, ms + number())}-${BigInt.asUintN(64, sequence + number())}`;
    const fields: Text[] = [];
    if ((flags & SAME_FIELDS) !== 0n) for (const field of shared) fields.push(field, toText(packedBytes(next())));
    else for (const field of many(Number(number()) * 2, next)) fields.push(field);
    number();
    if ((flags & DELETED) === 0n) yield entry(id, fields);
  }
}

function many(count: number, next: () => Packed): Text[] {
  const texts: Text[] = [];
  // A count that is wrong is met at the end of what is there.
  while (texts.length < count) texts.push(toText(packedBytes(next())));
  return texts;
}

async function tailOf(reader: ByteReader, type: number): Promise<Omit<StreamValue, 'entries'>> {
  const head = await reader.read((window) => {
    const length = plainLength(window);
    const lastId = readId(window);
    if (type < SECOND) return { lastId, entriesAdded: length as Count };
    readId(window);
    return { lastId, maxDeletedId: readId(window), entriesAdded: countOf(plainCount(window)) };
  });
  const groups: StreamGroup[] = [];
  const count = await reader.read(plainLength);
  for (let at = 0; at < count; at++) groups.push(await groupOf(reader, type));
  return { ...head, groups };
}

async function groupOf(reader: ByteReader, type: number): Promise<StreamGroup> {
  const head = await reader.read((window) => {
    const name = toText(readString(window));
    const lastId = readId(window);
    // -1 where it is not known.
    const read = type < SECOND ? -1n : BigInt.asIntN(64, plainCount(window));
    return { name, lastId, entriesRead: read < 0n ? null : countOf(read), size: plainLength(window) };
  });
  const delivered = new Map<string, [time: number, deliveries: Count]>();
  for (let at = 0; at < head.size; at++) {
    const [id, time, deliveries] = await reader.read(
      (window) => [rawId(window), Number(window.i64le()), countOf(plainCount(window))] as const,
    );
    delivered.set(id, [time, deliveries]);
  }
  const owners = new Map<string, Text>();
  const consumers: Text[] = [];
  const size = await reader.read(plainLength);
  for (let at = 0; at < size; at++) {
    const [name, pending] = await reader.read((window) => {
      const own = toText(readString(window));
      window.bytes(type < THIRD ? 8 : 16);
      return [own, plainLength(window)] as const;
    });
    consumers.push(name);
    for (let each = 0; each < pending; each++) owners.set(await reader.read(rawId), name);
  }
  const { entriesRead, lastId, name } = head;
  return { name, lastId, entriesRead, consumers, pending: pendingOf(delivered, owners) };
}

function pendingOf(delivered: ReadonlyMap<string, [number, Count]>, owners: ReadonlyMap<string, Text>): PendingEntry[] {
  return [...delivered].map(([id, [time, deliveries]]) => {
    const owner = owners.get(id);
    if (owner === undefined) throw new RdbError('a stream is damaged');
    return [id, owner, time, deliveries];
  });
}

function readId(window: Window): string {
  return `${plainCount(window)}-${plainCount(window)}`;
}

function rawId(window: Window): string {
  return `${window.u64be()}-${window.u64be()}`;
}

function countOf(value: bigint): Count {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
}
