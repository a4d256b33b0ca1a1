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
/** Digits of an integer that JavaScript cannot have rounded. */
const EXACT_DIGITS = 15;

/** As parseBody, but strings and lists stay as they came, where that can be. */
export function parseWireBody(body: Buffer): Body<WireValue> {
  const items = sentItems(body);
  return items === null ? parseBody(body) : { items };
}

/**
 * The results of an answer, found by the marks between them: strings and lists stay where they are. Null for an answer of
 * any other form than a plain list of results in Upstash's way of writing JSON, such as one with an error in it: that is to
 * be parsed. What stands within a string or list is not checked; whoever reads it finds out whether it is one.
 */
function sentItems(body: Buffer): Reply<WireValue>[] | null {
  const end = body[body.length - 1] === LINE_END ? body.length - 1 : body.length;
  if (body[0] !== LIST || body[end - 1] !== LIST_END) return null;
  const items: Reply<WireValue>[] = [];
  for (let at = 1; at < end;) {
    if (!standsAt(body, at, BEFORE_VALUE)) return null;
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

/** The position after the value; -1 where there is none that can be told by its marks. */
function endOfValue(body: Buffer, from: number): number {
  const first = body[from] ?? 0;
  // Neither mark stands within base64.
  if (first === QUOTE) return body.indexOf(QUOTE, from + 1) + 1 || -1;
  if (first === LIST) return body.indexOf(LIST_END, from + 1) + 1 || -1;
  if (standsAt(body, from, NULL)) return from + NULL.length;
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

function standsAt(body: Buffer, from: number, text: Buffer): boolean {
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
      throw notTheProtocol(error.message);
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
    throw notTheProtocol('something else than a list');
  }
}

function endOfElement(body: Buffer, from: number): number {
  if (body[from] === QUOTE) return endOfValue(body, from);
  return standsAt(body, from, NULL) ? from + NULL.length : -1;
}

function notTheProtocol(what: string): AppError {
  return unavailableError(`Upstash Redis sent something other than its protocol: ${what}`);
}
