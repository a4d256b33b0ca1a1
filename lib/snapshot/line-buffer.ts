import { isUtf8 } from 'node:buffer';
import { isSentJson, type SentJson } from '../ports/redis.js';
import { encodeLine, RECORD_TYPES, type RecordType } from './record.js';
import { isSent, recordOf, type FreshLine, type SentValue } from './sent-value.js';
import { toText } from '../soulcaster/text.js';

/** A buffer that grew beyond this for a large value is dropped. */
const KEPT_BYTES = 4 * 1024 * 1024;
/** More bytes than JSON puts around a value or an element, and than the escapes of three bytes take. */
const AROUND = 64;

const QUOTE = 0x22;
const COMMA = 0x2c;
const PADDING = 0x3d;
const LIST = 0x5b;
const BACKSLASH = 0x5c;
const LIST_END = 0x5d;

/** The twelve bits of two base64 characters, indexed by their 16-bit number (the first is the lower byte); -1 for other pairs. */
const PAIRS = new Int16Array(65_536).fill(-1);
const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
for (const [high, first] of ALPHABET.entries()) {
  for (const [low, second] of ALPHABET.entries()) PAIRS[first | (second << 8)] = (high << 6) | low;
}
/** Pairs a last character with `A`, which has no bits set. */
const NO_BITS = 'A'.charCodeAt(0) << 8;

const ESCAPED = 1;
const HIGH = 2;
/** The base64 text is not the canonical form of its bytes. */
const INEXACT = 4;
/** The class of a byte in a JSON string: 0 for plain, ESCAPED, or HIGH for a part of a longer character. */
const CLASS = new Uint8Array(256);
CLASS.fill(ESCAPED, 0, 0x20);
CLASS[QUOTE] = ESCAPED;
CLASS[BACKSLASH] = ESCAPED;
CLASS.fill(HIGH, 0x80);

/** The JSON escape of each byte that needs one. */
const ESCAPES = Array.from({ length: 256 }, (_, byte) =>
  Buffer.from(CLASS[byte] === ESCAPED ? JSON.stringify(String.fromCharCode(byte)).slice(1, -1) : ''),
);

/** The text between a key and its expiry or value. */
const AFTER_KEY = Object.fromEntries(RECORD_TYPES.map((type) => [type, `,"t":"${type}"`])) as Record<
  RecordType,
  string
>;

/**
 * Lines of a part, in one buffer that is reused. A value that the server sent is decoded directly into its line, without strings
 * or arrays in between; the bytes are those that `encodeLine` gives for its record.
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

  /** The lines added since `clear`. They are overwritten by lines added after the next `clear`. */
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
    if (isSent(line) && isSentJson(line.sent) && this.addSent(line, line.sent)) return;
    this.end = before;
    this.writeUtf8(encodeLine(recordOf(line)));
  }

  /** False, with part of a line written, where the value is not made of strings in base64. */
  private addSent({ key, type, expiry }: SentValue, sent: SentJson): boolean {
    this.writeAscii('{"k":');
    this.writeKey(key);
    this.writeAscii(AFTER_KEY[type]);
    if (expiry !== null) this.writeAscii(`,"x":${JSON.stringify(expiry)}`);
    this.writeAscii(',"v":');
    if (!this.writeValue(type, sent)) return false;
    this.writeAscii('}\n');
    return true;
  }

  private writeValue(type: RecordType, { from, json, to }: SentJson): boolean {
    if (type === 'string' || type === 'json') return this.writeText(json, from, to) === to;
    if (json[from] !== LIST) return false;
    return type === 'hash' || type === 'zset'
      ? this.writePairs(json, from + 1, to)
      : this.writeList(json, from + 1, to);
  }

  private writeList(json: Buffer, from: number, most: number): boolean {
    if (json[from] === LIST_END) return this.writeEmpty(from, most);
    for (let at = from; ; at++) {
      this.writeByte(at === from ? LIST : COMMA);
      at = this.writeText(json, at, most);
      if (json[at] === COMMA) continue;
      this.writeByte(LIST_END);
      return json[at] === LIST_END && at === most - 1;
    }
  }

  private writePairs(json: Buffer, from: number, most: number): boolean {
    if (json[from] === LIST_END) return this.writeEmpty(from, most);
    for (let at = from; ; at++) {
      this.writeByte(at === from ? LIST : COMMA);
      this.writeByte(LIST);
      at = this.writeText(json, at, most);
      if (json[at] !== COMMA) return false;
      this.writeByte(COMMA);
      at = this.writeText(json, at + 1, most);
      this.writeByte(LIST_END);
      if (json[at] === COMMA) continue;
      this.writeByte(LIST_END);
      return json[at] === LIST_END && at === most - 1;
    }
  }

  private writeEmpty(from: number, most: number): boolean {
    this.writeAscii('[]');
    return from === most - 1;
  }

  /**
   * Decodes one string, from quote to quote, into a JSON string or, where the bytes are not UTF-8, into `{"b": base64}`.
   * Returns the position after it; -1, with some of it written, where it is no base64 or ends after `most`.
   */
  private writeText(json: Buffer, from: number, most: number): number {
    if (json[from] !== QUOTE) return -1;
    // Decoding shortens the text: the rest of the value is an upper bound.
    this.reserve(most - from);
    const start = this.end + 1;
    let to = start;
    let at = from + 1;
    let kinds = 0;
    this.bytes[this.end] = QUOTE;
    for (;;) {
      const { bytes } = this;
      let kind = 0;
      let bits = -1;
      // This loop calls no method that may replace the buffer: that would double its time.
      for (; at + 4 < most; at += 4) {
        bits = (pairAt(json, at) << 12) | pairAt(json, at + 2);
        if (bits < 0) break;
        kind = (CLASS[bits >> 16] as number) | (CLASS[(bits >> 8) & 0xff] as number) | (CLASS[bits & 0xff] as number);
        kinds |= kind;
        if ((kind & ESCAPED) !== 0) break;
        bytes[to] = bits >> 16;
        bytes[to + 1] = bits >> 8;
        bytes[to + 2] = bits;
        to += 3;
      }
      if (bits < 0 || (kind & ESCAPED) === 0) break;
      const roomy = this.roomAfter(to, most - at);
      to = putByte(roomy, putByte(roomy, putByte(roomy, to, bits >> 16), (bits >> 8) & 0xff), bits & 0xff);
      at += 4;
    }
    let { bytes } = this;
    if (json[at] !== QUOTE) {
      const two = pairAt(json, at);
      const isOne = json[at + 2] === PADDING;
      const third = isOne ? 0 : (PAIRS[(json[at + 2] as number) | NO_BITS] as number);
      if (two < 0 || third < 0 || json[at + 3] !== PADDING || json[at + 4] !== QUOTE) return -1;
      const x = two >> 4;
      const y = ((two << 4) | (third >> 8)) & 0xff;
      const beyond = isOne ? two & 0xf : third & 0xff;
      kinds |= (CLASS[x] as number) | (isOne ? 0 : (CLASS[y] as number)) | (beyond === 0 ? 0 : INEXACT);
      bytes = this.roomAfter(to, 0);
      to = putByte(bytes, to, x);
      if (!isOne) to = putByte(bytes, to, y);
      at += 4;
    }
    if (at >= most) return -1;
    if ((kinds & HIGH) !== 0 && !isUtf8(bytes.subarray(start, to))) {
      if ((kinds & INEXACT) !== 0) return -1;
      this.end = start - 1;
      this.writeAscii('{"b":"');
      this.reserve(at - from);
      this.end += json.copy(this.bytes, this.end, from + 1, at);
      this.writeAscii('"}');
    } else {
      bytes[to] = QUOTE;
      this.end = to + 1;
    }
    return at + 1;
  }

  private writeKey(key: Buffer): void {
    this.reserve(key.length);
    const { bytes } = this;
    const start = this.end + 1;
    let kinds = 0;
    for (let at = 0; at < key.length; at++) {
      const byte = key[at] as number;
      bytes[start + at] = byte;
      kinds |= CLASS[byte] as number;
    }
    if (kinds !== 0) {
      this.writeUtf8(JSON.stringify(toText(key)));
      return;
    }
    bytes[this.end] = QUOTE;
    this.end = start + key.length;
    bytes[this.end++] = QUOTE;
  }

  private writeByte(byte: number): void {
    this.reserve(1);
    this.bytes[this.end++] = byte;
  }

  private writeAscii(text: string): void {
    this.reserve(text.length);
    for (let at = 0; at < text.length; at++) this.bytes[this.end++] = text.charCodeAt(at);
  }

  private writeUtf8(text: string): void {
    this.reserve(Buffer.byteLength(text));
    this.end += this.bytes.write(text, this.end, 'utf8');
  }

  /** The buffer, with all bytes before `end` and room for this many more. */
  private roomAfter(end: number, more: number): Buffer {
    this.end = end;
    this.reserve(more);
    return this.bytes;
  }

  private reserve(more: number): void {
    const wanted = this.end + more + AROUND;
    if (wanted <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.bytes.length, wanted));
    this.bytes.copy(larger, 0, 0, this.end);
    this.bytes = larger;
  }
}

function pairAt(json: Buffer, at: number): number {
  return PAIRS[(json[at] as number) | ((json[at + 1] as number) << 8)] as number;
}

/** Writes one byte of a JSON string, escaped where necessary; returns the position after it. */
function putByte(bytes: Buffer, at: number, byte: number): number {
  if ((CLASS[byte] as number) !== ESCAPED) {
    bytes[at] = byte;
    return at + 1;
  }
  const escape = ESCAPES[byte] as Buffer;
  for (let index = 0; index < escape.length; index++) bytes[at + index] = escape[index] as number;
  return at + escape.length;
}
