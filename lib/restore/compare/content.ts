import { createHash } from 'node:crypto';
import xxhash from 'xxhash-wasm';
import {
  toArgument,
  isDue,
  sameExpiry,
  type ExpiryTime,
  type RecordLine,
  type RecordType,
  type StreamValue,
} from '../../snapshot/record.js';
import { fromText, type Text } from '../../soulcaster/text.js';
import { isEmpty } from '../write/size.js';
import { elementBag, frame, sameState, streamDigest, type ElementBag, type StreamState } from './digests.js';

/** The first difference, in this order. */
export type Difference = 'type' | 'expiry' | 'field-expiry' | 'value';

/** The content of a key that two equal keys must share. */
export interface Content {
  readonly type: RecordType;
  /** Undefined when the key does not expire. */
  readonly expiry: ExpiryTime | undefined;
  /** Digest of the expiry of single fields, without those that expire soon; empty where there are none. */
  readonly fields: string;
  /** Fields that expire before the horizon: they are not in `fields` and `value`. */
  readonly leaving: LeavingFields;
  /** Digest of the value; the text of a JSON document. */
  readonly value: string;
  /** A stream's state beside its entries; null for all other types. */
  readonly stream: StreamState | null;
  /**
   * Whether no elements remain but those that expire soon: Redis has no empty collections, so the key does not exist.
   */
  readonly empty: boolean;
}

export interface ContentBuilder {
  add(line: RecordLine): void;
  finish(): Content;
}

interface ValueDigest {
  add(line: RecordLine): void;
  finish(): Pick<Content, 'value' | 'stream' | 'empty'>;
}

/** How the expiry of single hash fields is compared. */
export interface FieldRule {
  readonly fieldExpiry: boolean;
  /** Fields that expire before this time (milliseconds since the epoch) are compared separately. */
  readonly horizon: number;
}

/** Builds the content of a record line by line, beginning with `first`, which has the expiry of the whole record. */
export function contentBuilder(first: RecordLine, { fieldExpiry, horizon }: FieldRule): ContentBuilder {
  const value = valueDigest(first.t);
  const fields = elementBag({ named: true });
  const leaving = new Map<bigint, LeavingField>();
  const add = (whole: RecordLine): void => {
    const line = fieldExpiry ? withoutLeaving(whole, horizon, leaving) : whole;
    value.add(line);
    if (!fieldExpiry) return;
    for (const [field, time] of line.fx ?? []) fields.add(fromText(field), Buffer.from(String(toArgument(time))));
  };
  add(first);
  return {
    add,
    finish: () => ({
      type: first.t,
      expiry: first.x,
      fields: fields.isEmpty() ? '' : fields.digest(),
      leaving,
      ...value.finish(),
    }),
  };
}

/**
 * Whether two lines of whole values, without expiry of fields, plainly hold the same: their contents are then equal, and no
 * digest is needed. Where it says no, they may be equal all the same: binary names and scores in another form are left to the digests.
 */
export function isSameLine(a: RecordLine, b: RecordLine): boolean {
  if (a.t !== b.t || a.t === 'stream' || a.fx !== undefined || b.fx !== undefined || isEmpty(a)) return false;
  if (!sameExpiry(a.x, b.x)) return false;
  return Array.isArray(a.v) && Array.isArray(b.v) && a.t !== 'list' ? haveSameElements(a.v, b.v) : areSame(a.v, b.v);
}

function areSame(a: unknown, b: unknown): boolean {
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, at) => areSame(item, b[at]));
  return a === b || (isBinary(a) && isBinary(b) && a.b === b.b);
}

function isBinary(value: unknown): value is Exclude<Text, string> {
  return typeof value === 'object' && value !== null && 'b' in value;
}

type Element = Text | readonly [Text, Text];

/** A server returns the elements of a large hash, set or zset in an order that depends on its process. */
function haveSameElements(a: readonly Element[], b: readonly Element[]): boolean {
  if (a.length !== b.length) return false;
  const values = new Map<Text, Text>();
  for (const element of a) values.set(nameIn(element), valueIn(element));
  // Each is removed, so that an element that is repeated does not stand for one that is missing.
  return b.every((element) => {
    const name = nameIn(element);
    return areSame(values.get(name), valueIn(element)) && values.delete(name);
  });
}

const nameIn = (element: Element): Text => (Array.isArray(element) ? element[0] : element) as Text;
const valueIn = (element: Element): Text => (Array.isArray(element) ? element[1] : '') as Text;

/** Whether the whole content has expired at `now`. */
export function isOver({ empty, leaving, expiry }: Content, now: number): boolean {
  return (expiry !== undefined && isDue(expiry, now)) || (empty && allExpired(leaving, now));
}

/** The first difference; null when both are equal, except for fields that have expired by `now`. */
export function differenceOf(wanted: Content, live: Content, now: number): Difference | null {
  if (wanted.type !== live.type) return 'type';
  if (!sameExpiry(wanted.expiry, live.expiry)) return 'expiry';
  if (wanted.fields !== live.fields) return 'field-expiry';
  return leavingDifference(wanted.leaving, live.leaving, now) ?? (sameValue(wanted, live) ? null : 'value');
}

function sameValue(wanted: Content, live: Content): boolean {
  if (wanted.value === live.value) return sameState(wanted.stream, live.stream);
  return wanted.type === 'json' && sameJson(wanted.value, live.value);
}

function valueDigest(type: RecordType): ValueDigest {
  switch (type) {
    case 'string':
      return stringDigest();
    case 'json':
      return jsonText();
    case 'list':
      return listDigest();
    case 'set':
      return bagDigest(elementBag({ named: false }), (bag, { v }) => {
        for (const member of v as readonly Text[]) bag.add(fromText(member));
      });
    case 'hash':
      return bagDigest(elementBag({ named: true }), (bag, { v }) => {
        for (const [field, value] of v as readonly (readonly [Text, Text])[]) bag.add(fromText(field), fromText(value));
      });
    case 'zset':
      return bagDigest(elementBag({ named: true }), (bag, { v }) => {
        for (const [member, score] of v as readonly (readonly [Text, string])[]) {
          bag.add(fromText(member), scoreBytes(score));
        }
      });
    case 'stream':
      return streamValueDigest();
  }
}

function stringDigest(): ValueDigest {
  const sum = createHash('sha256');
  return {
    // Pieces of a string may end anywhere, so they are concatenated, not framed.
    add: ({ v }) => void sum.update(fromText(v as Text)),
    finish: () => ({ value: sum.digest('hex'), stream: null, empty: false }),
  };
}

function jsonText(): ValueDigest {
  const pieces: Buffer[] = [];
  return {
    add: ({ v }) => void pieces.push(fromText(v as Text)),
    finish: () => ({ value: Buffer.concat(pieces).toString('utf8'), stream: null, empty: false }),
  };
}

function listDigest(): ValueDigest {
  const sum = createHash('sha256');
  let items = 0;
  return {
    add({ v }) {
      for (const item of v as readonly Text[]) {
        sum.update(frame([fromText(item)]));
        items += 1;
      }
    },
    finish: () => ({ value: sum.digest('hex'), stream: null, empty: items === 0 }),
  };
}

function bagDigest(bag: ElementBag, add: (bag: ElementBag, line: RecordLine) => void): ValueDigest {
  return {
    add: (line) => add(bag, line),
    finish: () => ({ value: bag.digest(), stream: null, empty: bag.isEmpty() }),
  };
}

function streamValueDigest(): ValueDigest {
  const digest = streamDigest();
  return {
    add: ({ v }) => digest.add(v as StreamValue),
    finish: () => ({ ...digest.finish(), empty: false }),
  };
}

/** A score as the eight bytes of its double: Redis versions print the same score differently. */
function scoreBytes(score: string): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  // Redis treats -0 and 0 as equal; adding 0 turns -0 into 0.
  bytes.writeDoubleLE(parseScore(score) + 0);
  return bytes;
}

/** The number of a score as a server prints it. */
export function parseScore(score: string): number {
  const infinite = /^([+-]?)inf/i.exec(score);
  return infinite === null ? Number(score) : infinite[1] === '-' ? -Infinity : Infinity;
}

const hasher = await xxhash();
const SEED_NAME = 3n;
const SEED_VALUE = 4n;

/** A field of a hash that expires soon. `value` is a hash (XXH64) of its name and value. */
interface LeavingField {
  readonly value: bigint;
  readonly time: ExpiryTime;
}

/** By a hash of the field's name. */
type LeavingFields = ReadonlyMap<bigint, LeavingField>;

/**
 * Moves the fields of a hash's line that expire before `horizon` into `into`. Such a field may vanish during the
 * comparison, so each is compared with its own record, not as part of the hash.
 */
function withoutLeaving(line: RecordLine, horizon: number, into: Map<bigint, LeavingField>): RecordLine {
  const soon = new Map<string, ExpiryTime>();
  for (const [field, time] of line.fx ?? []) if (isDue(time, horizon)) soon.set(nameOf(field), time);
  if (soon.size === 0 || line.t !== 'hash') return line;
  const v: (readonly [Text, Text])[] = [];
  for (const pair of line.v as readonly (readonly [Text, Text])[]) {
    const time = soon.get(nameOf(pair[0]));
    if (time === undefined) v.push(pair);
    else into.set(...leavingEntry(pair, time));
  }
  return { ...line, v, fx: (line.fx ?? []).filter(([field]) => !soon.has(nameOf(field))) };
}

function leavingEntry([field, value]: readonly [Text, Text], time: ExpiryTime): [bigint, LeavingField] {
  const name = fromText(field);
  const framed = frame([name, fromText(value)]);
  return [hasher.h64Raw(name, SEED_NAME), { value: hasher.h64Raw(framed, SEED_VALUE), time }];
}

/** Null when every present field is equal, and every absent one has expired by `now`. */
function leavingDifference(wanted: LeavingFields, live: LeavingFields, now: number): 'field-expiry' | 'value' | null {
  for (const [name, { time, value }] of live) {
    const own = wanted.get(name);
    if (own === undefined || !sameExpiry(own.time, time)) return 'field-expiry';
    if (own.value !== value) return 'value';
  }
  for (const [name, { time }] of wanted) if (!live.has(name) && !isDue(time, now)) return 'field-expiry';
  return null;
}

function allExpired(fields: LeavingFields, now: number): boolean {
  for (const { time } of fields.values()) if (!isDue(time, now)) return false;
  return true;
}

function nameOf(field: Text): string {
  return JSON.stringify(field);
}

/** Whether two JSON texts are equal, regardless of key order and number format. */
export function sameJson(a: string, b: string): boolean {
  try {
    return canonical(a) === canonical(b);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function canonical(text: string): string {
  return JSON.stringify(sortKeys(JSON.parse(withMarkedNumbers(text))));
}

/** Turns numbers into marked strings: JSON.parse would round integers beyond 2^53, which a server keeps. */
function withMarkedNumbers(text: string): string {
  let result = '';
  for (let at = 0; at < text.length;) {
    const open = text.indexOf('"', at);
    if (open < 0) return result + markNumbers(text.slice(at));
    const end = endOfString(text, open);
    result += `${markNumbers(text.slice(at, open))}"s${text.slice(open + 1, end)}`;
    at = end;
  }
  return result;
}

/** The position after a string's closing quote. Uses a search: a pattern would overflow the stack on a long string. */
function endOfString(text: string, open: number): number {
  for (let from = open + 1; ;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) throw new SyntaxError('unterminated string');
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

function markNumbers(text: string): string {
  return text.replace(/-?\d[\d.eE+-]*/g, (number) => `"n${canonicalNumber(number)}"`);
}

/** Integers exactly; all other numbers as their double. */
function canonicalNumber(text: string): string {
  if (/^-?\d+$/.test(text)) return String(BigInt(text));
  const value = Number(text);
  if (Number.isNaN(value)) throw new SyntaxError('invalid number');
  return Number.isInteger(value) ? String(BigInt(value)) : String(value);
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const pairs = Object.entries(value).map(([name, inner]) => [name, sortKeys(inner)] as const);
  return { pairs: pairs.sort(([a], [b]) => (a < b ? -1 : 1)) };
}
