import type { AppError } from '../../errors.js';
import type { RedisValue, Reply, SentJson, WireValue } from '../../ports/redis.js';
import { unavailableError } from './failures.js';
import { parseBody, parseValue, ProtocolError, type Body } from './replies.js';

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
