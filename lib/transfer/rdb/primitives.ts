import type { Window } from '../read/bytes.js';

/** Impossible content of a file. The message says what is wrong; the reader of the unit adds the place. */
export class RdbError extends Error {}

/** Redis takes no string beyond 512 MiB unless configured to. */
const MAX_STRING_BYTES = 1024 * 1024 * 1024;

type Length = { readonly length: number } | { readonly encoding: number };

/** A length, or the number of a string's encoding. */
export function readLength(window: Window): Length {
  const first = window.u8();
  const kind = first >> 6;
  if (kind === 0) return { length: first & 0x3f };
  if (kind === 1) return { length: ((first & 0x3f) << 8) | window.u8() };
  if (kind === 3) return { encoding: first & 0x3f };
  if (first === 0x80) return { length: window.u32be() };
  if (first === 0x81) return { length: toSafeNumber(window.u64be()) };
  throw new RdbError('a length is malformed');
}

function toSafeNumber(value: bigint): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new RdbError('a length is malformed');
}

/** A length where an encoding is not allowed. */
export function readPlainLength(window: Window): number {
  const length = readLength(window);
  if ('length' in length) return length.length;
  throw new RdbError('a length is malformed');
}

/** A 64-bit length, the form of counters. */
export function readPlainCount(window: Window): bigint {
  window.assertBytes(1);
  if (window.buffer[window.at] !== 0x81) return BigInt(readPlainLength(window));
  window.u8();
  return window.u64be();
}

/** A copy of a string's bytes. */
export function readString(window: Window): Buffer {
  const length = readLength(window);
  return 'length' in length
    ? Buffer.from(window.bytes(checkStringLength(length.length)))
    : readEncodedString(window, length.encoding);
}

export function checkStringLength(length: number): number {
  if (length <= MAX_STRING_BYTES) return length;
  throw new RdbError(`a string of ${length} bytes is impossible`);
}

export function readEncodedString(window: Window, encoding: number): Buffer {
  if (encoding === 0) return toDecimal(window.bytes(1).readInt8());
  if (encoding === 1) return toDecimal(window.bytes(2).readInt16LE());
  if (encoding === 2) return toDecimal(window.bytes(4).readInt32LE());
  if (encoding !== 3) throw new RdbError(`a string has encoding ${encoding}`);
  const packed = checkStringLength(readPlainLength(window));
  const plain = checkStringLength(readPlainLength(window));
  return unpackLzf(window.bytes(packed), plain);
}

function toDecimal(value: number | bigint): Buffer {
  return Buffer.from(String(value));
}

/** Decompresses LZF of liblzf. */
function unpackLzf(packed: Buffer, length: number): Buffer {
  // Every 264 bytes of output take at least three bytes of input.
  if (length > packed.length * 88 + 264) throw new RdbError('a compressed string is impossibly long');
  const plain = Buffer.allocUnsafe(length);
  let [from, to] = [0, 0];
  while (from < packed.length) {
    const control = packed[from++] as number;
    if (control < 32) {
      const count = control + 1;
      if (from + count > packed.length || to + count > length) throw new RdbError('a compressed string is damaged');
      packed.copy(plain, to, from, from + count);
      from += count;
      to += count;
      continue;
    }
    let count = control >> 5;
    if (count === 7) count += packed[from++] ?? 0;
    const back = to - ((control & 0x1f) << 8) - (packed[from++] ?? 0) - 1;
    count += 2;
    if (back < 0 || to + count > length || from > packed.length) throw new RdbError('a compressed string is damaged');
    // Source and target of the copy may overlap.
    for (let at = 0; at < count; at++) plain[to + at] = plain[back + at] as number;
    to += count;
  }
  if (to !== length) throw new RdbError('a compressed string is damaged');
  return plain;
}

/** Milliseconds since the epoch as a time of a record. */
export function toTime(ms: bigint): number | string {
  return ms <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(ms) : String(ms);
}

/** A score as Redis prints it: the shortest digits that parse to the same IEEE double. */
export function formatScore(score: number): string {
  if (Number.isNaN(score)) throw new RdbError('a score is not a number');
  if (score === Infinity) return 'inf';
  if (score === -Infinity) return '-inf';
  return Object.is(score, -0) ? '-0' : String(score);
}
