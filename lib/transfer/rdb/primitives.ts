import type { Window } from '../read/bytes.js';

/** What is in the file and cannot be: the message says what. The place is known to whoever reads the unit. */
export class RdbError extends Error {}

/** Redis takes no string beyond 512 MiB unless it is told to. */
const LONGEST_STRING = 1024 * 1024 * 1024;

export type Length = { readonly length: number } | { readonly encoding: number };

/** A length, or the number of a string's encoding. */
export function readLength(window: Window): Length {
  const first = window.u8();
  const kind = first >> 6;
  if (kind === 0) return { length: first & 0x3f };
  if (kind === 1) return { length: ((first & 0x3f) << 8) | window.u8() };
  if (kind === 3) return { encoding: first & 0x3f };
  if (first === 0x80) return { length: window.u32be() };
  if (first === 0x81) return { length: exact(window.u64be()) };
  throw new RdbError('a length is none');
}

function exact(value: bigint): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new RdbError('a length is none');
}

/** A length where only one can stand. */
export function plainLength(window: Window): number {
  const length = readLength(window);
  if ('length' in length) return length.length;
  throw new RdbError('a length is none');
}

/** The same with 64 bits, as counters are written. */
export function plainCount(window: Window): bigint {
  window.demand(1);
  if (window.buffer[window.at] !== 0x81) return BigInt(plainLength(window));
  window.u8();
  return window.u64be();
}

/** A string's bytes; a separate copy. */
export function readString(window: Window): Buffer {
  const length = readLength(window);
  return 'length' in length
    ? Buffer.from(window.bytes(checked(length.length)))
    : encodedString(window, length.encoding);
}

export function checked(length: number): number {
  if (length <= LONGEST_STRING) return length;
  throw new RdbError(`a string of ${length} bytes cannot be`);
}

export function encodedString(window: Window, encoding: number): Buffer {
  if (encoding === 0) return decimal(window.bytes(1).readInt8());
  if (encoding === 1) return decimal(window.bytes(2).readInt16LE());
  if (encoding === 2) return decimal(window.bytes(4).readInt32LE());
  if (encoding !== 3) throw new RdbError(`a string has encoding ${encoding}`);
  const packed = checked(plainLength(window));
  const plain = checked(plainLength(window));
  return unpackLzf(window.bytes(packed), plain);
}

function decimal(value: number | bigint): Buffer {
  return Buffer.from(String(value));
}

/** LZF as liblzf writes it. */
function unpackLzf(packed: Buffer, length: number): Buffer {
  // Three bytes at the least stand for 264 at the most.
  if (length > packed.length * 88 + 264) throw new RdbError('a packed string cannot be so long');
  const plain = Buffer.allocUnsafe(length);
  let [from, to] = [0, 0];
  while (from < packed.length) {
    const control = packed[from++] as number;
    if (control < 32) {
      const count = control + 1;
      if (from + count > packed.length || to + count > length) throw new RdbError('a packed string is damaged');
      packed.copy(plain, to, from, from + count);
      from += count;
      to += count;
      continue;
    }
    let count = control >> 5;
    if (count === 7) count += packed[from++] ?? 0;
    const back = to - ((control & 0x1f) << 8) - (packed[from++] ?? 0) - 1;
    count += 2;
    if (back < 0 || to + count > length || from > packed.length) throw new RdbError('a packed string is damaged');
    // What is copied may overlap what it is copied to.
    for (let at = 0; at < count; at++) plain[to + at] = plain[back + at] as number;
    to += count;
  }
  if (to !== length) throw new RdbError('a packed string is damaged');
  return plain;
}

/** Milliseconds since the epoch as a time of a record; null for none (-1, 0 for a hash's field). */
export function timeOf(ms: bigint): number | string {
  return ms <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(ms) : String(ms);
}

/** A score as Redis prints it: the shortest digits that give the same double. */
export function scoreText(score: number): string {
  if (Number.isNaN(score)) throw new RdbError('a score is no number');
  if (score === Infinity) return 'inf';
  if (score === -Infinity) return '-inf';
  return Object.is(score, -0) ? '-0' : String(score);
}
