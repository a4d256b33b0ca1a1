import type { AppError } from '../../errors.js';
import type { RedisReply, RedisValue, Reply, SentJson, WireValue } from '../../ports/redis.js';
import { unavailableError } from './failures.js';

/** The body violates the protocol. The error holds no part of the body, which may contain values. */
export class ProtocolError extends Error {}

/** Either the replies to the commands, with errors in Redis's words, or the error of the request as a whole. */
export type Body<Value = RedisValue> = { readonly items: Reply<Value>[] } | { readonly error: string };

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
/** Marks a number that was kept as text. Not in base64's alphabet, so no string begins with it. */
const MARK = '#';

/** Parses an answer with base64 strings, without losing a byte of a string or a digit of a number. */
export function parseBody(body: Buffer): Body {
  return parse(body, toBody);
}

/** Parses a single value. */
export function parseValue(json: Buffer): RedisValue {
  return parse(json, toValue);
}

/** Parses the answer to a single command. */
export function parseItem(body: Buffer): RedisReply {
  return parse(body, toItem);
}

function parse<T>(body: Buffer, read: (parsed: unknown) => T): T {
  // Base64 is ASCII. An error text may be UTF-8: asUtf8 decodes it.
  const text = body.toString('latin1');
  try {
    return read(parseJson(text));
  } catch (error) {
    if (!(error instanceof InexactError)) throw error;
    return read(parseJson(quoteInexactNumbers(text)));
  }
}

/** JSON.parse has rounded a number, or may have: then all such numbers are read again as text. */
class InexactError extends Error {}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The cause is dropped on purpose: V8's message quotes the text.
    throw new ProtocolError('no JSON');
  }
}

/** The JSON with each number that JavaScript would round as a string. Strings are skipped: they hold digits too. */
function quoteInexactNumbers(text: string): string {
  let result = '';
  for (let at = 0; at < text.length;) {
    const open = text.indexOf('"', at);
    if (open < 0) return result + text.slice(at).replace(NUMBER, quoteIfInexact);
    const end = endOfString(text, open);
    result += text.slice(at, open).replace(NUMBER, quoteIfInexact) + text.slice(open, end);
    at = end;
  }
  return result;
}

/** The position after a string's closing quote. By search: a regular expression would run out of stack on a long string. */
function endOfString(text: string, open: number): number {
  for (let from = open + 1; ;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) throw new ProtocolError('no JSON');
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

function quoteIfInexact(token: string): string {
  const isExact = /^-?\d+$/.test(token) && Number.isSafeInteger(Number(token));
  return isExact ? token : `"${MARK}${token}"`;
}

function toBody(parsed: unknown): Body {
  if (Array.isArray(parsed)) return { items: parsed.map(toItem) };
  if (isRecord(parsed) && typeof parsed['error'] === 'string') return { error: asUtf8(parsed['error']) };
  throw new ProtocolError('neither a list of results nor an error');
}

function toItem(item: unknown): RedisReply {
  if (!isRecord(item)) throw new ProtocolError('an element that is no object');
  if (typeof item['error'] === 'string') return { error: asUtf8(item['error']) };
  if (item['result'] === undefined) throw new ProtocolError('an element without a result');
  return { value: toValue(item['result']) };
}

/**
 * Decodes UTF-8 that was read as Latin-1. Characters beyond Latin-1 come from JSON's own escapes and show that the text
 * was ASCII.
 */
function asUtf8(text: string): string {
  return /[^\u0000-\u00ff]/.test(text) ? text : Buffer.from(text, 'latin1').toString('utf8');
}

function toValue(value: unknown): RedisValue {
  if (typeof value === 'string')
    return value.startsWith(MARK) ? parseKeptNumber(value.slice(MARK.length)) : toBytes(value);
  if (typeof value === 'number') return assertExact(value);
  if (value === null) return null;
  if (Array.isArray(value)) return value.map(toValue);
  throw new ProtocolError('a value of an unknown type');
}

function assertExact(value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw new InexactError();
}

/** An integer beyond 2^53; any other number stays text. */
function parseKeptNumber(text: string): bigint | Buffer {
  return /^-?\d+$/.test(text) ? BigInt(text) : Buffer.from(text);
}

const OK = Buffer.from('OK');

function toBytes(text: string): Buffer {
  if (text === 'OK') return Buffer.from(OK);
  const bytes = decode(text);
  // Node silently skips characters outside base64; the plain text of a server that ignored our header must not pass for data.
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  if (bytes.length !== ((text.length - padding) * 3) >>> 2) throw new ProtocolError('a string that is no base64');
  return bytes;
}

const SLAB_BYTES = 256 * 1024;
let slab = Buffer.alloc(0);
let used = 0;

/**
 * Decodes base64 into a slab that many values share: one allocation per value would be the largest cost. A slab is freed
 * with its last value; values live no longer than their batch.
 */
function decode(text: string): Buffer {
  if (slab.length - used < text.length) {
    slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, text.length));
    used = 0;
  }
  const start = used;
  used += slab.write(text, start, 'base64');
  return slab.subarray(start, used);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const BEFORE_VALUE = Buffer.from('{"result":');
const NULL = Buffer.from('null');
const [LINE_END, QUOTE, COMMA, MINUS, ZERO, NINE, LIST, LIST_END, END] = Buffer.from('\n",-09[]}') as unknown as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];
/** Most digits of an integer that JavaScript cannot round. */
const EXACT_DIGITS = 15;

/** Like parseBody, but leaves strings and lists undecoded where possible. */
export function parseWireBody(body: Buffer): Body<WireValue> {
  const items = findItems(body);
  return items === null ? parseBody(body) : { items };
}

/**
 * The results of an answer, found by the delimiters between them: strings and lists are left undecoded. Null for an answer
 * other than a plain list of results in Upstash's JSON style, such as one with an error: it has to be parsed. The content
 * of a string or list is not checked here; the reader of the value finds out whether it is valid.
 */
function findItems(body: Buffer): Reply<WireValue>[] | null {
  const end = body[body.length - 1] === LINE_END ? body.length - 1 : body.length;
  if (body[0] !== LIST || body[end - 1] !== LIST_END) return null;
  const items: Reply<WireValue>[] = [];
  for (let at = 1; at < end;) {
    if (!isAt(body, at, BEFORE_VALUE)) return null;
    const from = at + BEFORE_VALUE.length;
    const to = endOfValue(body, from);
    if (to < 0 || body[to] !== END) return null;
    items.push({ value: valueAt(body, from, to) });
    at = to + 2;
    if (body[to + 1] === COMMA) continue;
    return body[to + 1] === LIST_END && at === end ? items : null;
  }
  return null;
}

/** The position after the value; -1 when its delimiters do not show an end. */
function endOfValue(body: Buffer, from: number): number {
  const first = body[from] ?? 0;
  // Base64 contains neither delimiter.
  if (first === QUOTE) return body.indexOf(QUOTE, from + 1) + 1 || -1;
  if (first === LIST) return body.indexOf(LIST_END, from + 1) + 1 || -1;
  if (isAt(body, from, NULL)) return from + NULL.length;
  const digits = first === MINUS ? from + 1 : from;
  let to = digits;
  for (let digit = body[to] ?? 0; digit >= ZERO && digit <= NINE; digit = body[++to] ?? 0);
  const length = to - digits;
  return length > EXACT_DIGITS || length === 0 || (body[digits] === ZERO && length + digits - from > 1) ? -1 : to;
}

function valueAt(body: Buffer, from: number, to: number): WireValue {
  const first = body[from];
  if (first === QUOTE || first === LIST) return new Sent(body, from, to);
  if (first === NULL[0]) return null;
  let number = 0;
  for (let at = first === MINUS ? from + 1 : from; at < to; at++) number = 10 * number + (body[at] ?? 0) - ZERO;
  return first === MINUS ? -number : number;
}

function isAt(body: Buffer, from: number, text: Buffer): boolean {
  for (let at = 0; at < text.length; at++) if (body[from + at] !== text[at]) return false;
  return true;
}

class Sent implements SentJson {
  constructor(
    readonly json: Buffer,
    readonly from: number,
    readonly to: number,
  ) {}

  decode(): RedisValue {
    try {
      return parseValue(this.json.subarray(this.from, this.to));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw protocolError(error.message);
    }
  }

  elements(): WireValue[] {
    const elements: WireValue[] = [];
    for (let at = this.from + 1; at < this.to; at++) {
      const to = endOfElement(this.json, at);
      const mark = this.json[to];
      if (to < 0 || (mark !== COMMA && mark !== LIST_END)) break;
      elements.push(valueAt(this.json, at, to));
      at = to;
      if (mark === LIST_END && to === this.to - 1) return elements;
    }
    const list = this.decode();
    if (Array.isArray(list)) return list;
    throw protocolError('something other than a list');
  }
}

function endOfElement(body: Buffer, from: number): number {
  if (body[from] === QUOTE) return endOfValue(body, from);
  return isAt(body, from, NULL) ? from + NULL.length : -1;
}

function protocolError(what: string): AppError {
  return unavailableError(`Upstash Redis sent something other than its protocol: ${what}`);
}
