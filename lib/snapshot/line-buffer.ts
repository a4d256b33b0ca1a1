import { isUtf8 } from 'node:buffer';
import { encodeLine } from './record.js';
import {
  asArray,
  asBuffer,
  decodedLength,
  isSent,
  notTheProtocol,
  type FreshLine,
  type SentValue,
} from './sent-value.js';
import type { WireValue } from '../ports/redis.js';

/** Base64 of up to this many characters is decoded by a loop: a call of the runtime's decoder costs more than that. */
const SHORT = 48;
/** A buffer that one large value has made larger than this is not kept. */
const KEPT_BYTES = 4 * 1024 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The six bits of each character of base64; 0x80 for all others. */
const BITS = new Uint8Array(256).fill(0x80);
for (const [value, char] of Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/').entries()) {
  BITS[char.charCodeAt(0)] = value;
}

const ESCAPED = 1;
const HIGH = 2;
/** What a byte means to a JSON string: nothing, that it is written as an escape, or that it is part of a longer character. */
const CLASS = new Uint8Array(256);
CLASS.fill(ESCAPED, 0, 0x20);
CLASS[QUOTE] = ESCAPED;
CLASS[BACKSLASH] = ESCAPED;
CLASS.fill(HIGH, 0x80);

/** What follows the backslash, for the bytes whose escape is that short. */
const SHORT_ESCAPE = new Uint8Array(256);
for (const [byte, char] of [
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0c, 'f'],
  [0x0d, 'r'],
  [QUOTE, '"'],
  [BACKSLASH, '\\'],
] as const) {
  SHORT_ESCAPE[byte] = char.charCodeAt(0);
}
/** By how much the escape of a byte is longer than it. */
const LONGER = CLASS.map((kind, byte) => (kind !== ESCAPED ? 0 : SHORT_ESCAPE[byte] === 0 ? 5 : 1));
const HEX = Buffer.from('0123456789abcdef');

/**
 * Lines as they stand in a part, in one buffer that is used again. A value that was sent is decoded into its line, byte for
 * byte what `encodeLine` makes of its record; no text and no list is made of it on the way.
 */
export class LineBuffer {
  private bytes: Buffer;
  private end = 0;

  constructor(private readonly size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  get length(): number {
    return this.end;
  }

  /** What was added since `clear`. It is overwritten by what is added after the next `clear`. */
  content(): Buffer {
    return this.bytes.subarray(0, this.end);
  }

  clear(): void {
    this.end = 0;
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafeSlow(this.size);
  }

  /** Adds a line, or throws and adds nothing. */
  add(line: FreshLine): void {
    const before = this.end;
    try {
      if (isSent(line)) this.addSent(line);
      else this.plain(encodeLine(line));
    } catch (error) {
      this.end = before;
      throw error;
    }
  }

  private addSent({ key, type, expiry, sent }: SentValue): void {
    this.plain('{"k":');
    this.text(key);
    this.plain(`,"t":"${type}"`);
    if (expiry !== null) this.plain(`,"x":${JSON.stringify(expiry)}`);
    this.plain(',"v":');
    if (type === 'string' || type === 'json') this.text(sent);
    else if (type === 'hash' || type === 'zset') this.pairs(asArray(sent));
    else this.list(asArray(sent));
    this.plain('}\n');
  }

  private list(items: readonly WireValue[]): void {
    for (let at = 0; at < items.length; at++) {
      this.plain(at === 0 ? '[' : ',');
      this.text(items[at]);
    }
    this.plain(items.length === 0 ? '[]' : ']');
  }

  private pairs(items: readonly WireValue[]): void {
    for (let at = 0; at + 1 < items.length; at += 2) {
      this.plain(at === 0 ? '[[' : '],[');
      this.text(items[at]);
      this.plain(',');
      this.text(items[at + 1]);
    }
    this.plain(items.length < 2 ? '[]' : ']]');
  }

  private text(value: WireValue | undefined): void {
    const start = this.end + 1;
    const kinds = typeof value === 'string' ? this.decode(value, start) : this.copy(asBuffer(value), start);
    if (kinds === 0) {
      this.bytes[start - 1] = QUOTE;
      this.bytes[this.end++] = QUOTE;
    } else {
      this.marked(start, kinds);
    }
  }

  /** Puts the bytes that base64 stands for at `start`, sets the end after them; returns which classes they are of. */
  private decode(text: string, start: number): number {
    this.reserve(text.length + 2);
    if (text.length > SHORT || text.length % 4 !== 0) {
      const written = this.bytes.write(text, start, 'base64');
      if (written !== decodedLength(text)) throw notTheProtocol();
      this.end = start + written;
      return classesOf(this.bytes, start, this.end);
    }
    const { bytes } = this;
    let to = start;
    let kinds = 0;
    let bits = 0;
    const padded = text.endsWith('=') ? 4 : 0;
    const whole = text.length - padded;
    for (let at = 0; at < whole; at += 4) {
      const a = bitsAt(text, at);
      const b = bitsAt(text, at + 1);
      const c = bitsAt(text, at + 2);
      const d = bitsAt(text, at + 3);
      bits |= a | b | c | d;
      const x = ((a << 2) | (b >> 4)) & 0xff;
      const y = ((b << 4) | (c >> 2)) & 0xff;
      const z = ((c << 6) | d) & 0xff;
      bytes[to] = x;
      bytes[to + 1] = y;
      bytes[to + 2] = z;
      to += 3;
      kinds |= (CLASS[x] as number) | (CLASS[y] as number) | (CLASS[z] as number);
    }
    if (padded > 0) {
      const isOne = text.endsWith('==');
      const [a, b] = [bitsAt(text, whole), bitsAt(text, whole + 1)];
      const c = isOne ? 0 : bitsAt(text, whole + 2);
      bits |= a | b | c;
      bytes[to] = (a << 2) | (b >> 4);
      if (!isOne) bytes[to + 1] = (b << 4) | (c >> 2);
      const end = to + (isOne ? 1 : 2);
      kinds |= classesOf(bytes, to, end);
      to = end;
    }
    if ((bits & 0x80) !== 0) throw notTheProtocol();
    this.end = to;
    return kinds;
  }

  private copy(value: Buffer, start: number): number {
    this.reserve(value.length + 2);
    value.copy(this.bytes, start);
    this.end = start + value.length;
    return classesOf(this.bytes, start, this.end);
  }

  /** The bytes from `start` to the end are no plain ASCII: turns them into what JSON can hold. */
  private marked(start: number, kinds: number): void {
    if ((kinds & HIGH) !== 0 && !isUtf8(this.bytes.subarray(start, this.end))) {
      const encoded = this.bytes.toString('base64', start, this.end);
      this.end = start - 1;
      this.plain(`{"b":"${encoded}"}`);
      return;
    }
    if ((kinds & ESCAPED) !== 0) this.escape(start);
    this.reserve(1);
    this.bytes[start - 1] = QUOTE;
    this.bytes[this.end++] = QUOTE;
  }

  /** From the end backwards, so that nothing is overwritten that has not been read. */
  private escape(start: number): void {
    let more = 0;
    for (let at = start; at < this.end; at++) more += LONGER[this.bytes[at] as number] as number;
    this.reserve(more);
    const { bytes } = this;
    let to = this.end + more;
    const end = to;
    for (let at = this.end - 1; to > at + 1; at--) {
      const byte = bytes[at] as number;
      if (LONGER[byte] === 0) {
        bytes[--to] = byte;
      } else if (LONGER[byte] === 1) {
        bytes[--to] = SHORT_ESCAPE[byte] as number;
        bytes[--to] = BACKSLASH;
      } else {
        bytes[--to] = HEX[byte & 0xf] as number;
        bytes[--to] = HEX[byte >> 4] as number;
        bytes[--to] = 0x30;
        bytes[--to] = 0x30;
        bytes[--to] = 0x75;
        bytes[--to] = BACKSLASH;
      }
    }
    this.end = end;
  }

  private plain(text: string): void {
    this.reserve(text.length > SHORT ? Buffer.byteLength(text) : 3 * text.length);
    if (text.length > 8) {
      this.end += this.bytes.write(text, this.end, 'utf8');
      return;
    }
    for (let at = 0; at < text.length; at++) this.bytes[this.end++] = text.charCodeAt(at);
  }

  private reserve(more: number): void {
    const wanted = this.end + more + 2;
    if (wanted <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.bytes.length, wanted));
    this.bytes.copy(larger, 0, 0, this.end);
    this.bytes = larger;
  }
}

function bitsAt(text: string, at: number): number {
  return BITS[text.charCodeAt(at)] ?? 0x80;
}

function classesOf(bytes: Uint8Array, from: number, to: number): number {
  let kinds = 0;
  let at = from;
  for (; at + 3 < to; at += 4) {
    kinds |=
      (CLASS[bytes[at] as number] as number) |
      (CLASS[bytes[at + 1] as number] as number) |
      (CLASS[bytes[at + 2] as number] as number) |
      (CLASS[bytes[at + 3] as number] as number);
  }
  for (; at < to; at++) kinds |= CLASS[bytes[at] as number] as number;
  return kinds;
}
