import { RdbError } from './primitives.js';

/** An element of a listpack or ziplist: bytes, or an integer in place of its decimal digits. */
export type Packed = Buffer | bigint;

export function toBytes(value: Packed): Buffer {
  return typeof value === 'bigint' ? Buffer.from(String(value)) : value;
}

export function toInteger(value: Packed): bigint {
  if (typeof value === 'bigint') return value;
  const text = value.toString('latin1');
  if (!/^-?\d{1,20}$/.test(text)) throw new RdbError('a number in a listpack is malformed');
  return BigInt(text);
}

const DAMAGED = 'a listpack is damaged';

/** The elements of a listpack in order. Throws RdbError for malformed bytes. */
export function* readListpack(bytes: Buffer): Generator<Packed> {
  if (bytes.length < 7 || bytes.readUInt32LE(0) !== bytes.length || bytes.at(-1) !== 0xff) throw new RdbError(DAMAGED);
  const count = bytes.readUInt16LE(4);
  let [at, seen] = [6, 0];
  while (at < bytes.length - 1) {
    const [value, size] = readListpackElement(bytes, at);
    if (at + size > bytes.length - 1) throw new RdbError(DAMAGED);
    yield value;
    at += size + backLengthBytes(size);
    seen += 1;
  }
  // 65535: too many to be counted.
  if (at !== bytes.length - 1 || (count !== 0xffff && seen !== count)) throw new RdbError(DAMAGED);
}

function readListpackElement(bytes: Buffer, at: number): [Packed, number] {
  const first = bytes[at] as number;
  if (first < 0x80) return [BigInt(first), 1];
  if (first < 0xc0) return readText(bytes, at + 1, first & 0x3f, 1);
  if (first < 0xe0) return [BigInt.asIntN(13, BigInt(((first & 0x1f) << 8) | (bytes[at + 1] ?? 0))), 2];
  if (first < 0xf0) return readText(bytes, at + 2, ((first & 0x0f) << 8) | (bytes[at + 1] ?? 0), 2);
  if (first === 0xf0) return readText(bytes, at + 5, assertBytes(bytes, at + 1, 4).readUInt32LE(at + 1), 5);
  if (first === 0xf1) return [BigInt(assertBytes(bytes, at + 1, 2).readInt16LE(at + 1)), 3];
  if (first === 0xf2) return [BigInt(assertBytes(bytes, at + 1, 3).readIntLE(at + 1, 3)), 4];
  if (first === 0xf3) return [BigInt(assertBytes(bytes, at + 1, 4).readInt32LE(at + 1)), 5];
  if (first === 0xf4) return [assertBytes(bytes, at + 1, 8).readBigInt64LE(at + 1), 9];
  throw new RdbError(DAMAGED);
}

function readText(bytes: Buffer, at: number, length: number, head: number): [Packed, number] {
  return [assertBytes(bytes, at, length).subarray(at, at + length), head + length];
}

function assertBytes(bytes: Buffer, at: number, length: number): Buffer {
  if (at + length > bytes.length) throw new RdbError(DAMAGED);
  return bytes;
}

/** Number of bytes after an element that repeat its size. */
function backLengthBytes(size: number): number {
  if (size < 128) return 1;
  if (size < 16384) return 2;
  if (size < 2097152) return 3;
  return size < 268435456 ? 4 : 5;
}

/** The elements of a ziplist, written by servers before 7.0. */
export function* readZiplist(bytes: Buffer): Generator<Packed> {
  if (bytes.length < 11 || bytes.readUInt32LE(0) !== bytes.length || bytes.at(-1) !== 0xff)
    throw new RdbError('a ziplist is damaged');
  const count = bytes.readUInt16LE(8);
  let [at, seen] = [10, 0];
  while (at < bytes.length - 1) {
    at += (bytes[at] as number) === 0xfe ? 5 : 1;
    const [value, size] = readZiplistElement(bytes, at);
    yield value;
    at += size;
    seen += 1;
  }
  if (at !== bytes.length - 1 || (count !== 0xffff && seen !== count)) throw new RdbError('a ziplist is damaged');
}

function readZiplistElement(bytes: Buffer, at: number): [Packed, number] {
  const first = bytes[at] as number;
  const kind = first >> 6;
  if (kind === 0) return readText(bytes, at + 1, first & 0x3f, 1);
  if (kind === 1) return readText(bytes, at + 2, ((first & 0x3f) << 8) | (bytes[at + 1] ?? 0), 2);
  if (kind === 2) return readText(bytes, at + 5, assertBytes(bytes, at + 1, 4).readUInt32BE(at + 1), 5);
  if (first === 0xc0) return [BigInt(assertBytes(bytes, at + 1, 2).readInt16LE(at + 1)), 3];
  if (first === 0xd0) return [BigInt(assertBytes(bytes, at + 1, 4).readInt32LE(at + 1)), 5];
  if (first === 0xe0) return [assertBytes(bytes, at + 1, 8).readBigInt64LE(at + 1), 9];
  if (first === 0xf0) return [BigInt(assertBytes(bytes, at + 1, 3).readIntLE(at + 1, 3)), 4];
  if (first === 0xfe) return [BigInt(assertBytes(bytes, at + 1, 1).readInt8(at + 1)), 2];
  if (first >= 0xf1 && first <= 0xfd) return [BigInt((first & 0x0f) - 1), 1];
  throw new RdbError('a ziplist is damaged');
}

/** The members of an intset. */
export function* readIntset(bytes: Buffer): Generator<bigint> {
  const width = bytes.length < 8 ? 0 : bytes.readUInt32LE(0);
  const count = bytes.length < 8 ? 0 : bytes.readUInt32LE(4);
  if (![2, 4, 8].includes(width) || bytes.length !== 8 + count * width) throw new RdbError('an intset is damaged');
  for (let at = 8; at < bytes.length; at += width)
    yield width === 8 ? bytes.readBigInt64LE(at) : BigInt(bytes.readIntLE(at, width));
}
