import { isUtf8 } from 'node:buffer';
import { isSentJson, type SentJson } from '../ports/redis.js';
import { encodeLine, RECORD_TYPES, type RecordType } from './record.js';
import { isSent, recordOf, type FreshLine, type SentValue } from './sent-value.js';
import { toText } from './text.js';

/** A buffer that one large value has made larger than this is not kept. */
const KEPT_BYTES = 4 * 1024 * 1024;
/** More than stands around a value, or around an element of one, and than the escapes of three bytes. */
const AROUND = 64;

const QUOTE = 0x22;
const COMMA = 0x2c;
const PADDING = 0x3d;
const LIST = 0x5b;
const BACKSLASH = 0x5c;
const LIST_END = 0x5d;

/** The twelve bits of two characters of base64, by the number whose lower byte the first is; -1 for all other pairs. */
const PAIRS = new Int16Array(65_536).fill(-1);
const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
for (const [high, first] of ALPHABET.entries()) {
  for (const [low, second] of ALPHABET.entries()) PAIRS[first | (second << 8)] = (high << 6) | low;
}
/** Beside a last character: as if one of no bits followed. */
const NO_BITS = 'A'.charCodeAt(0) << 8;

const ESCAPED = 1;
const HIGH = 2;
/** Of a text in base64 that another one stands for as well. */
const INEXACT = 4;
/** What a byte means to a JSON string: nothing, that it is written as an escape, or that it is part of a longer character. */
const CLASS = new Uint8Array(256);
CLASS.fill(ESCAPED, 0, 0x20);
CLASS[QUOTE] = ESCAPED;
CLASS[BACKSLASH] = ESCAPED;
CLASS.fill(HIGH, 0x80);

/** How each byte that is escaped is written. */
const ESCAPES = Array.from({ length: 256 }, (_, byte) =>
  Buffer.from(CLASS[byte] === ESCAPED ? JSON.stringify(String.fromCharCode(byte)).slice(1, -1) : ''),
);

/** What stands between a key and its expiry, or its value. */
const AFTER_KEY = Object.fromEntries(RECORD_TYPES.map((type) => [type, `,"t":"${type}"`])) as Record<
  RecordType,
  string
>;

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
    if (isSent(line) && isSentJson(line.sent) && this.addSent(line, line.sent)) return;
    this.end = before;
    this.plain(encodeLine(recordOf(line)));
  }

  /** False, with part of a line written, where the value is anything else than strings in base64. */
  private addSent({ key, type, expiry }: SentValue, sent: SentJson): boolean {
    this.ascii('{"k":');
    this.key(key);
    this.ascii(AFTER_KEY[type]);
    if (expiry !== null) this.ascii(`,"x":${JSON.stringify(expiry)}`);
    this.ascii(',"v":');
    if (!this.value(type, sent)) return false;
    this.ascii('}\n');
    return true;
  }

  private value(type: RecordType, { from, json, to }: SentJson): boolean {
    if (type === 'string' || type === 'json') return this.text(json, from, to) === to;
    if (json[from] !== LIST) return false;
    return type === 'hash' || type === 'zset' ? this.pairs(json, from + 1, to) : this.list(json, from + 1, to);
  }

  private list(json: Buffer, from: number, most: number): boolean {
    if (json[from] === LIST_END) return this.none(from, most);
    for (let at = from; ; at++) {
      this.byte(at === from ? LIST : COMMA);
      at = this.text(json, at, most);
      if (json[at] === COMMA) continue;
      this.byte(LIST_END);
      return json[at] === LIST_END && at === most - 1;
    }
  }

  private pairs(json: Buffer, from: number, most: number): boolean {
    if (json[from] === LIST_END) return this.none(from, most);
    for (let at = from; ; at++) {
      this.byte(at === from ? LIST : COMMA);
      this.byte(LIST);
      at = this.text(json, at, most);
      if (json[at] !== COMMA) return false;
      this.byte(COMMA);
      at = this.text(json, at + 1, most);
      this.byte(LIST_END);
      if (json[at] === COMMA) continue;
      this.byte(LIST_END);
      return json[at] === LIST_END && at === most - 1;
    }
  }

  private none(from: number, most: number): boolean {
    this.ascii('[]');
    return from === most - 1;
  }

  /**
   * Decodes one string, from quote to quote, as a JSON string or, where the bytes are no text, as what stands for such.
   * Returns the position after it; -1, with some of it written, where it is no base64 or ends after `most`.
   */
  private text(json: Buffer, from: number, most: number): number {
    if (json[from] !== QUOTE) return -1;
    // Decoding shortens: what is left of the value is more than it takes.
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
      // Nothing is called from within this loop: it takes twice as long as soon as the buffer may be another one.
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
      to = put(roomy, put(roomy, put(roomy, to, bits >> 16), (bits >> 8) & 0xff), bits & 0xff);
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
      to = put(bytes, to, x);
      if (!isOne) to = put(bytes, to, y);
      at += 4;
    }
    if (at >= most) return -1;
    if ((kinds & HIGH) !== 0 && !isUtf8(bytes.subarray(start, to))) {
      if ((kinds & INEXACT) !== 0) return -1;
      this.end = start - 1;
      this.ascii('{"b":"');
      this.reserve(at - from);
      this.end += json.copy(this.bytes, this.end, from + 1, at);
      this.ascii('"}');
    } else {
      bytes[to] = QUOTE;
      this.end = to + 1;
    }
    return at + 1;
  }

  private key(key: Buffer): void {
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
      this.plain(JSON.stringify(toText(key)));
      return;
    }
    bytes[this.end] = QUOTE;
    this.end = start + key.length;
    bytes[this.end++] = QUOTE;
  }

  private byte(byte: number): void {
    this.reserve(1);
    this.bytes[this.end++] = byte;
  }

  private ascii(text: string): void {
    this.reserve(text.length);
    for (let at = 0; at < text.length; at++) this.bytes[this.end++] = text.charCodeAt(at);
  }

  private plain(text: string): void {
    this.reserve(Buffer.byteLength(text));
    this.end += this.bytes.write(text, this.end, 'utf8');
  }

  /** The buffer, with everything before `end` in it and room for this many bytes more. */
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

/** Writes one byte of a JSON string, escaped where it has to be; returns the position after it. */
function put(bytes: Buffer, at: number, byte: number): number {
  if ((CLASS[byte] as number) !== ESCAPED) {
    bytes[at] = byte;
    return at + 1;
  }
  const escape = ESCAPES[byte] as Buffer;
  for (let index = 0; index < escape.length; index++) bytes[at + index] = escape[index] as number;
  return at + escape.length;
}
