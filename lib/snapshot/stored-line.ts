import { JsonArguments } from '../ports/redis.js';
import type { RecordLine, RecordType, RecordValue } from './record.js';

/** A line whose value is passed on in its stored form. */
export interface StoredLine {
  /** Its value is decoded on first access. */
  readonly line: RecordLine;
  /** The value as arguments of the command that writes it: a text; items; fields with their values; scores with their members. */
  readonly args: JsonArguments;
  /** Pairs of a hash or zset count once. */
  readonly elements: number;
  /** Bytes of key and value in the database. */
  readonly bytes: number;
}

const SLAB_BYTES = 256 * 1024;

const QUOTE = 0x22;
const COMMA = 0x2c;
const ZERO = 0x30;
const COLON = 0x3a;
const LIST = 0x5b;
const BACKSLASH = 0x5c;
const LIST_END = 0x5d;
const END = 0x7d;

const BEFORE_KEY = Buffer.from('{"k":"');
const BEFORE_VALUE = Buffer.from('"v":');
const BEFORE_EXPIRY = Buffer.from('"x":');
const TYPES = (['hash', 'string', 'zset', 'set', 'list', 'json'] as const).map((type) => ({
  type,
  mark: Buffer.from(`,"t":"${type}",`),
}));

/** Bytes that end a string, or begin an escape in it. */
const STOPS = new Uint8Array(256);
STOPS.fill(1, 0, 0x20);
STOPS[QUOTE] = 1;
STOPS[BACKSLASH] = 1;
/** Characters that form an escape of one byte after a backslash. */
const ESCAPES = new Set(Buffer.from('"\\/bfnrt'));
const UNICODE = 'u'.charCodeAt(0);
/** The beginning of an escape of one byte: `\u00`. */
const ONE_BYTE = Buffer.from('u00');
/** Digits of an expiry that JavaScript does not round. */
const EXACT_DIGITS = 15;
/** Pieces up to this length are copied byte by byte. */
const MAX_BYTEWISE_COPY = 48;

/**
 * Reads the lines that `encodeLine` writes for keys of ordinary size without decoding their values: the arguments of a command
 * are copied as JSON, without the brackets around them.
 */
export class StoredLines {
  private slab = Buffer.alloc(0);
  private end = 0;
  /** Decoded bytes of the strings of the current line. */
  private decoded = 0;

  /**
   * Reads the line from `from` to before its end at `to`; `bytes` are valid UTF-8. Null for a line of any other form, which must
   * be decoded: one of several, of a stream, empty, with bytes that are not UTF-8, or with expiry of fields.
   */
  read(bytes: Buffer, from: number, to: number): StoredLine | null {
    this.reserve(to - from);
    const start = this.end;
    const read = this.readLine(bytes, from, to);
    if (read === null) this.end = start;
    return read;
  }

  private readLine(bytes: Buffer, from: number, to: number): StoredLine | null {
    if (!startsAt(bytes, from, BEFORE_KEY)) return null;
    const key = from + BEFORE_KEY.length;
    let at = key;
    while (STOPS[bytes[at] as number] === 0) at++;
    if (bytes[at] !== QUOTE) return null;
    const k = bytes.toString('utf8', key, at);
    this.decoded = at - key;
    at += 1;
    const found = TYPES.find(({ mark }) => bytes[at + 6] === mark[6] && startsAt(bytes, at, mark));
    if (found === undefined) return null;
    at += found.mark.length;
    let expiry: number | null = null;
    if (startsAt(bytes, at, BEFORE_EXPIRY)) {
      const digits = at + BEFORE_EXPIRY.length;
      for (at = digits, expiry = 0; isDigit(bytes[at]); at++) expiry = 10 * expiry + (bytes[at] as number) - ZERO;
      if (at === digits || at - digits > EXACT_DIGITS || bytes[at] !== COMMA) return null;
      at += 1;
    }
    if (!startsAt(bytes, at, BEFORE_VALUE)) return null;
    const start = this.end;
    const elements = this.copyValue(found.type, bytes, at + BEFORE_VALUE.length, to - 1);
    if (elements <= 0) return null;
    const args = new JsonArguments(this.slab, start, this.end);
    return { line: lineOf(k, found.type, expiry, args), args, elements, bytes: this.decoded };
  }

  /** The number of elements; -1 where the value is of another form or does not end at `end`, and 0 for none. */
  private copyValue(type: RecordType, bytes: Buffer, from: number, end: number): number {
    if (bytes[end] !== END) return -1;
    if (type === 'string' || type === 'json') return this.copyText(bytes, from) === end ? 1 : -1;
    if (bytes[from] !== LIST) return -1;
    const isPairs = type === 'hash' || type === 'zset';
    let elements = 0;
    for (let at = from + 1; ; at++) {
      if (elements > 0) this.writeByte(COMMA);
      at = type === 'zset' ? this.copyScored(bytes, at) : isPairs ? this.copyPair(bytes, at) : this.copyText(bytes, at);
      if (at < 0) return -1;
      elements += 1;
      if (bytes[at] === COMMA) continue;
      return bytes[at] === LIST_END && at === end - 1 ? elements : -1;
    }
  }

  private copyPair(bytes: Buffer, from: number): number {
    if (bytes[from] !== LIST) return -1;
    const at = this.copyText(bytes, from + 1);
    if (at < 0 || bytes[at] !== COMMA) return -1;
    this.writeByte(COMMA);
    const end = this.copyText(bytes, at + 1);
    return end >= 0 && bytes[end] === LIST_END ? end + 1 : -1;
  }

  /** Copies a member and its score in the reverse order, as commands take them. */
  private copyScored(bytes: Buffer, from: number): number {
    if (bytes[from] !== LIST) return -1;
    const at = this.endOfText(bytes, from + 1);
    if (at < 0 || bytes[at] !== COMMA) return -1;
    // Members with the score -0 are left to decoding: the order in which they are written matters.
    if (bytes[at + 2] === 0x2d && bytes[at + 3] === ZERO && bytes[at + 4] === QUOTE) return -1;
    const end = this.copyText(bytes, at + 1);
    if (end < 0 || bytes[end] !== LIST_END) return -1;
    this.writeByte(COMMA);
    this.copy(bytes, from + 1, at);
    return end + 1;
  }

  private copyText(bytes: Buffer, from: number): number {
    const end = this.endOfText(bytes, from);
    if (end >= 0) this.copy(bytes, from, end);
    return end;
  }

  /** The position after a string, whose decoded bytes are counted; -1 where there is none. */
  private endOfText(bytes: Buffer, from: number): number {
    if (bytes[from] !== QUOTE) return -1;
    let more = 2;
    for (let at = from + 1; ; at++) {
      while (STOPS[bytes[at] as number] === 0) at++;
      if (bytes[at] === QUOTE) {
        this.decoded += at + 1 - from - more;
        return at + 1;
      }
      if (bytes[at] !== BACKSLASH) return -1;
      at += 1;
      if (ESCAPES.has(bytes[at] as number)) {
        more += 1;
      } else {
        if (!isOneByte(bytes, at)) return -1;
        more += 5;
        at += 4;
      }
    }
  }

  private copy(bytes: Buffer, from: number, to: number): void {
    if (to - from > MAX_BYTEWISE_COPY) {
      this.end += bytes.copy(this.slab, this.end, from, to);
      return;
    }
    const { slab } = this;
    let end = this.end;
    for (let at = from; at < to; at++) slab[end++] = bytes[at] as number;
    this.end = end;
  }

  private writeByte(byte: number): void {
    this.slab[this.end++] = byte;
  }

  /** The arguments of a line are no longer than the line. A slab is freed with the last of its lines. */
  private reserve(length: number): void {
    if (this.slab.length - this.end >= length) return;
    this.slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, length));
    this.end = 0;
  }
}

function startsAt(bytes: Buffer, from: number, text: Buffer): boolean {
  for (let at = 0; at < text.length; at++) if (bytes[from + at] !== text[at]) return false;
  return true;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte < COLON;
}

/** Whether an escape in hex stands for one byte: `\u0000` to `\u007f`. */
function isOneByte(bytes: Buffer, at: number): boolean {
  if (bytes[at] !== UNICODE || !startsAt(bytes, at, ONE_BYTE)) return false;
  return /^[0-7][0-9a-fA-F]$/.test(bytes.toString('latin1', at + 3, at + 5));
}

function lineOf(k: string, t: RecordType, x: number | null, args: JsonArguments): RecordLine {
  let value: RecordValue | null = null;
  const decode = (): RecordValue => (value ??= valueOf(t, args.decode()));
  // An own property, not one of a class, so that a copy of the line has it as well.
  return x === null
    ? {
        k,
        t,
        get v() {
          return decode();
        },
      }
    : {
        k,
        t,
        x,
        get v() {
          return decode();
        },
      };
}

function valueOf(type: RecordType, texts: readonly string[]): RecordValue {
  if (type === 'string' || type === 'json') return texts[0] ?? '';
  if (type === 'list' || type === 'set') return texts;
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < texts.length; at += 2) {
    const [first = '', second = ''] = [texts[at], texts[at + 1]];
    pairs.push(type === 'zset' ? [second, first] : [first, second]);
  }
  return pairs;
}
