import type { ExpiryTime } from '../../snapshot/record.js';
import type { Text } from '../../soulcaster/text.js';
import { FileFault, linePlace, malformedFault } from '../fault.js';
import type { TtlUnit } from '../formats.js';
import {
  toEntry,
  toItem,
  toPair,
  splitString,
  buildRecord,
  toScored,
  type Element,
  type RecordHead,
  type Item,
  type ReadOptions,
} from './items.js';
import { comesAfter, isDocument, isEntry, isScore, isStreamId, isWellFormed } from './checks.js';

/** A thousand years: a longer remaining time is a point in time, or in another unit. */
const MAX_TTL_MS = 1000 * 366 * 86_400_000;
/** The first year of Redis: an earlier point in time is a remaining time, or in another unit. */
const FIRST_REDIS_MS = Date.UTC(2009, 0);
const YEAR_MS = 31_557_600_000;

const ALIASES: Readonly<Record<string, string>> = { rejson: 'json', 'rejson-rl': 'json' };

/**
 * The record lines of one `{key, type, value, ttl}` in the form of common tools (docs/format.md). Throws FileFault for an
 * ambiguous value; a type without a record form becomes a `lost` item.
 */
export function* foreignItems(value: Record<string, unknown>, number: number, options: ReadOptions): Generator<Item> {
  const where = linePlace(number);
  const { key, type, value: content } = value;
  if (typeof key !== 'string') throw malformedFault(where, 'it has no field `key` with a text', HINT);
  if (typeof type !== 'string') throw malformedFault(where, 'it has no field `type` with a text', HINT);
  const name = ALIASES[type.toLowerCase()] ?? type.toLowerCase();
  // Some tools write this for a key that was removed while they read.
  if (name === 'none') return;
  const bytes = parseKey(key, where);
  if (!isKnown(name)) {
    yield { lost: 'unsupported', key: bytes, reason: `type ${type.slice(0, 32)}` };
    return;
  }
  if (content === undefined || content === null) {
    yield { lost: 'failed', key: bytes, reason: 'the file has no value for it' };
    return;
  }
  // Some tools write this for a key that was removed before they read its value or expiry: Redis has no empty collection.
  if (isEmptyCollection(name, content) || isRemoved(value)) {
    yield { lost: 'failed', key: bytes, reason: 'it went away while the file was made' };
    return;
  }
  const head: RecordHead = { key: bytes, type: name, expiry: parseExpiry(value, where, options) };
  const elements = parseElements(name, content, (what) => malformedFault(where, what, HINT));
  const tail = name === 'stream' ? { lastId: findLastId(elements), groups: [] } : undefined;
  if (name === 'json')
    yield { line: { k: key, t: 'json', ...(head.expiry === null ? {} : { x: head.expiry }), v: content as string } };
  else for (const line of buildRecord(head, elements, tail)) yield { line };
}

const HINT = 'Supported shapes, and the tools that write them: docs/format.md, "Files that are read".';

const KNOWN = ['string', 'hash', 'list', 'set', 'zset', 'stream', 'json'] as const;
type Known = (typeof KNOWN)[number];

function isKnown(type: string): type is Known {
  return (KNOWN as readonly string[]).includes(type);
}

function isEmptyCollection(type: Known, content: unknown): boolean {
  const isPlain = type === 'string' || type === 'json' || type === 'stream';
  return !isPlain && typeof content === 'object' && content !== null && Object.keys(content).length === 0;
}

/** TTL and PTTL return -2 for a missing key. */
function isRemoved({ pttl, ttl }: Record<string, unknown>): boolean {
  return [pttl, ttl].some((left) => left === -2 || left === '-2');
}

function parseExpiry(value: Record<string, unknown>, where: string, { from, ttlUnit }: ReadOptions): ExpiryTime | null {
  // A tool that read one of the two may write the other as null.
  const [field, unit]: [string, TtlUnit] = value['pttl'] == null ? ['ttl', ttlUnit] : ['pttl', 'milliseconds'];
  const raw = value[field];
  if (raw === undefined || raw === null) return null;
  const ttl = typeof raw === 'string' && /^-?\d{1,16}$/.test(raw) ? Number(raw) : raw;
  if (typeof ttl !== 'number' || !Number.isSafeInteger(ttl))
    throw malformedFault(where, `its \`${field}\` is not a whole number`, HINT);
  // The tools' own loaders do the same: -1 and 0 mean no expiry.
  if (ttl === -1 || ttl === 0) return null;
  const ms = unit.endsWith('seconds') && !unit.endsWith('milliseconds') ? ttl * 1000 : ttl;
  if (ttl < 0 || !Number.isSafeInteger(ms)) throw malformedFault(where, `its \`${field}\` is not a time`, HINT);
  const expiry = unit.startsWith('unix') ? ms : from + ms;
  if (expiry - from <= MAX_TTL_MS && expiry >= FIRST_REDIS_MS) return expiry;
  const years = Math.round((expiry - from) / YEAR_MS);
  throw new FileFault(
    'invalid',
    where,
    `its \`${field}\` would be ${Math.abs(years)} years ${years < 0 ? 'ago' : 'from now'}`,
    'Say what the number means with --ttl-unit seconds, milliseconds, unix-seconds or unix-milliseconds.',
  );
}

type ToFault = (what: string) => FileFault;

function parseElements(type: Known, value: unknown, toFault: ToFault): Element[] {
  switch (type) {
    case 'string':
      return [...splitString(parseText(value, toFault))];
    case 'json':
      if (typeof value !== 'string' || !isDocument(value))
        throw toFault('its value is not the text of a JSON document');
      return [];
    case 'list':
    case 'set':
      if (!Array.isArray(value)) throw toFault(`its value is not the array of a ${type}`);
      return value.map((each) => toItem(parseText(each, toFault)));
    case 'hash':
      return parsePairs(value, toFault).map(([field, content]) =>
        toPair(parseText(field, toFault), parseText(content, toFault)),
      );
    case 'zset':
      return parseScores(value, toFault);
    case 'stream':
      return parseEntries(value, toFault);
  }
}

function parseText(value: unknown, toFault: ToFault): Buffer {
  if (typeof value !== 'string')
    throw toFault(`a value is ${describeKind(value)} where Redis has text: the original text is unknown`);
  if (!isWellFormed(value)) throw toFault('a value is not valid Unicode');
  return Buffer.from(value, 'utf8');
}

function describeKind(value: unknown): string {
  return Array.isArray(value)
    ? 'an array'
    : value === null
      ? 'null'
      : typeof value === 'object'
        ? 'an object'
        : `a ${typeof value}`;
}

function parseKey(key: string, where: string): Buffer {
  if (!isWellFormed(key)) throw malformedFault(where, 'its key is not valid Unicode', HINT);
  return Buffer.from(key, 'utf8');
}

function parsePairs(value: unknown, toFault: ToFault): [unknown, unknown][] {
  if (typeof value !== 'object' || value === null) throw toFault('its value is not the object of a hash');
  if (!Array.isArray(value)) return Object.entries(value);
  if (!value.every((each) => Array.isArray(each) && each.length === 2))
    throw toFault('its value is not a list of fields and values');
  return value as [unknown, unknown][];
}

/** [member, "score"], [score, member] with the score as a number, {score, value | member | element}, or {member: score}. */
function parseScores(value: unknown, toFault: ToFault): Element[] {
  if (typeof value !== 'object' || value === null) throw toFault('its value is not the array of a zset');
  const pairs = Array.isArray(value) ? value : Object.entries(value);
  return pairs.map((each: unknown) => {
    if (Array.isArray(each)) {
      if (each.length !== 2) throw toFault('a member of the zset has no score');
      const [first, second] = each as [unknown, unknown];
      const isScoreFirst = typeof first === 'number' && typeof second !== 'number';
      return isScoreFirst
        ? toScored(parseText(second, toFault), parseScore(first, toFault))
        : toScored(parseText(first, toFault), parseScore(second, toFault));
    }
    if (typeof each !== 'object' || each === null) throw toFault('a member of the zset has no score');
    const { element, member, score, value: content } = each as Record<string, unknown>;
    return toScored(parseText(member ?? content ?? element, toFault), parseScore(score, toFault));
  });
}

function parseScore(score: unknown, toFault: ToFault): string {
  const text = typeof score === 'number' ? (Object.is(score, -0) ? '-0' : String(score)) : score;
  const plain =
    typeof text === 'string'
      ? text
          .toLowerCase()
          .replace(/^([+-]?)infinity$/, '$1inf')
          .replace(/^\+/, '')
      : null;
  // JSON has no infinite numbers: an infinite one was beyond the range of an IEEE double.
  if (!isScore(plain) || (typeof score === 'number' && !Number.isFinite(score)))
    throw toFault('a score is not a number');
  return plain;
}

/** RIOT's {id, body}, or [id, fields] with fields as an object or flat. */
function parseEntries(value: unknown, toFault: ToFault): Element[] {
  if (!Array.isArray(value)) throw toFault('its value is not the array of a stream');
  let before: string | null = null;
  return value.map((each: unknown) => {
    if (typeof each !== 'object' || each === null) throw toFault('an entry of the stream has no id');
    const [id, fields] = Array.isArray(each)
      ? (each as unknown[])
      : [(each as Record<string, unknown>)['id'], (each as Record<string, unknown>)['body']];
    if (!isStreamId(id)) throw toFault('an entry of the stream has no id');
    const flat: unknown[] = Array.isArray(fields) ? fields : parsePairs(fields, toFault).flat();
    if (flat.length % 2 !== 0) throw toFault('a field of the stream has no value');
    if (!isEntry(id, flat)) throw toFault('an entry of the stream is one that Redis does not accept');
    if (!comesAfter(id, before)) throw toFault('the entries of the stream are not in ascending order');
    before = id;
    return toEntry(
      id,
      flat.map((text): Text => parseText(text, toFault).toString('utf8')),
    );
  });
}

function findLastId(elements: readonly Element[]): string {
  const last = elements.at(-1)?.value as [string, unknown] | undefined;
  return last?.[0] ?? '0-0';
}
