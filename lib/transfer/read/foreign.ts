import type { ExpiryTime } from '../../snapshot/expiry-time.js';
import type { Text } from '../../snapshot/text.js';
import { FileFault, lineOf, malformed } from '../fault.js';
import { entry, item, pair, pieces, recordOf, scored, type Element, type RecordHead } from './pages.js';
import type { TtlUnit } from '../formats.js';
import type { Item, ReadOptions } from './items.js';
import { comesAfter, isDocument, isEntry, isScore, isStreamId, isWhole } from './records.js';

/** A thousand years: a time left that is longer is a point in time, or in another unit. */
const LONGEST_TTL_MS = 1000 * 366 * 86_400_000;
/** Nothing expired before Redis was there: an earlier point in time is a time left, or in another unit. */
const FIRST_REDIS_MS = Date.UTC(2009, 0);
const YEAR_MS = 31_557_600_000;

const ALIASES: Readonly<Record<string, string>> = { rejson: 'json', 'rejson-rl': 'json' };

/**
 * One `{key, type, value, ttl}` as common tools write it (docs/format.md) as the lines of a record. Throws FileFault for
 * what it cannot tell exactly; a type without a record form is a separate item.
 */
export function* foreignItems(value: Record<string, unknown>, number: number, options: ReadOptions): Generator<Item> {
  const where = lineOf(number);
  const { key, type, value: content } = value;
  if (typeof key !== 'string') throw malformed(where, 'it has no field `key` with a text', HINT);
  if (typeof type !== 'string') throw malformed(where, 'it has no field `type` with a text', HINT);
  const name = ALIASES[type.toLowerCase()] ?? type.toLowerCase();
  // What some tools write for a key that went away while they read.
  if (name === 'none') return;
  const bytes = wellFormed(key, where);
  if (!isKnown(name)) {
    yield { lost: 'unsupported', key: bytes, reason: `type ${type.slice(0, 32)}` };
    return;
  }
  if (content === undefined || content === null) {
    yield { lost: 'failed', key: bytes, reason: 'the file has no value for it' };
    return;
  }
  // What some tools write for a key that went away before they came to its value, or its time: Redis has none without members.
  if (isEmptyCollection(name, content) || isGone(value)) {
    yield { lost: 'failed', key: bytes, reason: 'it went away while the file was made' };
    return;
  }
  const head: RecordHead = { key: bytes, type: name, expiry: expiryOf(value, where, options) };
  const elements = elementsOf(name, content, (what) => malformed(where, what, HINT));
  const tail = name === 'stream' ? { lastId: lastIdOf(elements), groups: [] } : undefined;
  if (name === 'json')
    yield { line: { k: key, t: 'json', ...(head.expiry === null ? {} : { x: head.expiry }), v: content as string } };
  else for (const line of recordOf(head, elements, tail)) yield { line };
}

const HINT = 'Shapes that are read, and which tools write them: docs/format.md, "Files that are read".';

const KNOWN = ['string', 'hash', 'list', 'set', 'zset', 'stream', 'json'] as const;
type Known = (typeof KNOWN)[number];

function isKnown(type: string): type is Known {
  return (KNOWN as readonly string[]).includes(type);
}

function isEmptyCollection(type: Known, content: unknown): boolean {
  const isPlain = type === 'string' || type === 'json' || type === 'stream';
  return !isPlain && typeof content === 'object' && content !== null && Object.keys(content).length === 0;
}

/** TTL and PTTL answer -2 for a key that is not there. */
function isGone({ pttl, ttl }: Record<string, unknown>): boolean {
  return [pttl, ttl].some((left) => left === -2 || left === '-2');
}

function expiryOf(value: Record<string, unknown>, where: string, { from, ttlUnit }: ReadOptions): ExpiryTime | null {
  // A tool that asked for the one of them may write the other as null.
  const [field, unit]: [string, TtlUnit] = value['pttl'] == null ? ['ttl', ttlUnit] : ['pttl', 'milliseconds'];
  const raw = value[field];
  if (raw === undefined || raw === null) return null;
  const ttl = typeof raw === 'string' && /^-?\d{1,16}$/.test(raw) ? Number(raw) : raw;
  if (typeof ttl !== 'number' || !Number.isSafeInteger(ttl))
    throw malformed(where, `its \`${field}\` is no whole number`, HINT);
  // As the tools' own loaders have it: -1 and 0 are no expiry.
  if (ttl === -1 || ttl === 0) return null;
  const ms = unit.endsWith('seconds') && !unit.endsWith('milliseconds') ? ttl * 1000 : ttl;
  if (ttl < 0 || !Number.isSafeInteger(ms)) throw malformed(where, `its \`${field}\` is no time`, HINT);
  const expiry = unit.startsWith('unix') ? ms : from + ms;
  if (expiry - from <= LONGEST_TTL_MS && expiry >= FIRST_REDIS_MS) return expiry;
  const years = Math.round((expiry - from) / YEAR_MS);
  throw new FileFault(
    'invalid',
    where,
    `its \`${field}\` would be ${Math.abs(years)} years ${years < 0 ? 'ago' : 'from now'}`,
    'Say what the number means with --ttl-unit seconds, milliseconds, unix-seconds or unix-milliseconds.',
  );
}

type Wrong = (what: string) => FileFault;

function elementsOf(type: Known, value: unknown, wrong: Wrong): Element[] {
  switch (type) {
    case 'string':
      return [...pieces(textOf(value, wrong))];
    case 'json':
      if (typeof value !== 'string' || !isDocument(value)) throw wrong('its document is not the text of one');
      return [];
    case 'list':
    case 'set':
      if (!Array.isArray(value)) throw wrong(`its value is not the array of a ${type}`);
      return value.map((each) => item(textOf(each, wrong)));
    case 'hash':
      return pairsOf(value, wrong).map(([field, content]) => pair(textOf(field, wrong), textOf(content, wrong)));
    case 'zset':
      return scoresOf(value, wrong);
    case 'stream':
      return entriesOf(value, wrong);
  }
}

function textOf(value: unknown, wrong: Wrong): Buffer {
  if (typeof value !== 'string')
    throw wrong(`a value is ${kindOf(value)} where Redis has text: which text it was cannot be told`);
  if (!isWhole(value)) throw wrong('a value is no whole text');
  return Buffer.from(value, 'utf8');
}

function kindOf(value: unknown): string {
  return Array.isArray(value)
    ? 'an array'
    : value === null
      ? 'null'
      : typeof value === 'object'
        ? 'an object'
        : `a ${typeof value}`;
}

function wellFormed(key: string, where: string): Buffer {
  if (!isWhole(key)) throw malformed(where, 'its key is no whole text', HINT);
  return Buffer.from(key, 'utf8');
}

function pairsOf(value: unknown, wrong: Wrong): [unknown, unknown][] {
  if (typeof value !== 'object' || value === null) throw wrong('its value is not the object of a hash');
  if (!Array.isArray(value)) return Object.entries(value);
  if (!value.every((each) => Array.isArray(each) && each.length === 2))
    throw wrong('its value is no list of fields and values');
  return value as [unknown, unknown][];
}

/** [member, "score"], [score, member] with the score as a number, {score, value | member | element}, or {member: score}. */
function scoresOf(value: unknown, wrong: Wrong): Element[] {
  if (typeof value !== 'object' || value === null) throw wrong('its value is not the array of a zset');
  const pairs = Array.isArray(value) ? value : Object.entries(value);
  return pairs.map((each: unknown) => {
    if (Array.isArray(each)) {
      if (each.length !== 2) throw wrong('a member of the zset has no score');
      const [first, second] = each as [unknown, unknown];
      const isTurned = typeof first === 'number' && typeof second !== 'number';
      return isTurned
        ? scored(textOf(second, wrong), scoreOf(first, wrong))
        : scored(textOf(first, wrong), scoreOf(second, wrong));
    }
    if (typeof each !== 'object' || each === null) throw wrong('a member of the zset has no score');
    const { element, member, score, value: content } = each as Record<string, unknown>;
    return scored(textOf(member ?? content ?? element, wrong), scoreOf(score, wrong));
  });
}

function scoreOf(score: unknown, wrong: Wrong): string {
  const text = typeof score === 'number' ? (Object.is(score, -0) ? '-0' : String(score)) : score;
  const plain =
    typeof text === 'string'
      ? text
          .toLowerCase()
          .replace(/^([+-]?)infinity$/, '$1inf')
          .replace(/^\+/, '')
      : null;
  // A number beyond the range of a double has become infinite by now, which JSON has no number for.
  if (!isScore(plain) || (typeof score === 'number' && !Number.isFinite(score))) throw wrong('a score is no number');
  return plain;
}

/** RIOT's {id, body}, or [id, fields] with fields as an object or flat. */
function entriesOf(value: unknown, wrong: Wrong): Element[] {
  if (!Array.isArray(value)) throw wrong('its value is not the array of a stream');
  let before: string | null = null;
  return value.map((each: unknown) => {
    if (typeof each !== 'object' || each === null) throw wrong('an entry of the stream has no id');
    const [id, fields] = Array.isArray(each)
      ? (each as unknown[])
      : [(each as Record<string, unknown>)['id'], (each as Record<string, unknown>)['body']];
    if (!isStreamId(id)) throw wrong('an entry of the stream has no id');
    const flat: unknown[] = Array.isArray(fields) ? fields : pairsOf(fields, wrong).flat();
    if (flat.length % 2 !== 0) throw wrong('a field of the stream has no value');
    if (!isEntry(id, flat)) throw wrong('an entry of the stream is one that Redis does not take');
    if (!comesAfter(id, before)) throw wrong('the entries of the stream are not in their order');
    before = id;
    return entry(
      id,
      flat.map((text): Text => textOf(text, wrong).toString('utf8')),
    );
  });
}

function lastIdOf(elements: readonly Element[]): string {
  const last = elements.at(-1)?.value as [string, unknown] | undefined;
  return last?.[0] ?? '0-0';
}
