import { z } from 'zod';
import {
  MAX_KEY_EXPIRY,
  isRecordType,
  keyOf,
  type PendingEntry,
  type RecordLine,
  type StreamGroup,
  type StreamValue,
} from '../../snapshot/record.js';
import { cutShortFault, FileFault, linePlace, malformedFault } from '../fault.js';
import type { Item, ReadingFacts } from './items.js';
import type { Line } from './lines.js';

/** The field that marks the first and last line of an export. */
export const MARK = 'soulcaster-backup';
export const EXPORT_VERSION = 1;

const text = z.union([z.string(), z.strictObject({ b: z.string() })]);

const headSchema = z.object({
  [MARK]: z.literal('export'),
  formatVersion: z.number().int(),
  snapshot: z.string(),
  source: z.string(),
  label: z.string().optional(),
  window: z.object({ from: z.string(), to: z.string() }),
  state: z.enum(['complete', 'incomplete']),
  lacks: z.number().int().nonnegative(),
  unsupported: z.record(z.string(), z.number().int().positive()),
  selection: z
    .object({
      projects: z.array(z.string()),
      families: z.array(z.string()),
      matches: z.array(z.string()),
      keys: z.array(text),
    })
    .nullable(),
});

const endSchema = z.object({ [MARK]: z.literal('end'), keys: z.number().int(), lines: z.number().int() });

/** Whether this program wrote the first line. */
export function isOwnLine(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return MARK in value || ('k' in value && 't' in value && 'v' in value);
}

/** The records of an export, of a part, or of concatenated parts. Every line is checked. */
export async function* recordItems(lines: AsyncGenerator<Line>, facts: ReadingFacts): AsyncGenerator<Item> {
  const open = new OpenRecord();
  let [seen, keys, lastNumber] = [0, 0, 0];
  let ended = false;
  for await (const line of lines) {
    const { number } = line;
    const where = linePlace(number);
    if (ended) throw malformedFault(where, 'it comes after the line that says where the export ends');
    if (!line.ended) throw cutShortFault(where, 'its last line has no end');
    const value = parseObject(line);
    lastNumber = number;
    if (MARK in value) {
      if (number === 1) readHead(value, facts);
      else ended = checkEnd(value, where, seen, keys);
      continue;
    }
    const record = checkLine(value, where);
    seen += 1;
    if (record.i === undefined || record.i === 0) keys += 1;
    yield* open.addLine(record, where, facts.head !== null);
  }
  yield* open.end(linePlace(lastNumber), facts.head !== null);
  if (facts.head !== null && !ended)
    throw cutShortFault(linePlace(lastNumber), 'the line that ends an export is missing');
  if (facts.head === null)
    facts.remarks.push('nothing in the file says where it ends, so lines missing at its end cannot be detected');
}

/** Throws FileFault for a line that is not a JSON object. */
function parseObject({ number, text: json }: Line): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw malformedFault(linePlace(number), 'it is not JSON');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw malformedFault(linePlace(number), 'it is not a JSON object');
}

function readHead(value: Record<string, unknown>, facts: ReadingFacts): void {
  const version = value['formatVersion'];
  if (typeof version === 'number' && version > EXPORT_VERSION) {
    throw new FileFault(
      'newer-format',
      linePlace(1),
      `it was written by a newer version: its format is ${version}`,
      'Use the version of soulcaster-backup that wrote it, or a newer one.',
    );
  }
  const parsed = headSchema.safeParse(value);
  if (!parsed.success) throw malformedFault(linePlace(1), 'the first line of the export was altered');
  facts.head = parsed.data as unknown as NonNullable<ReadingFacts['head']>;
  const at = Date.parse(parsed.data.window.to);
  facts.takenAt = Number.isNaN(at) ? null : at;
}

function checkEnd(value: Record<string, unknown>, where: string, lines: number, keys: number): boolean {
  const parsed = endSchema.safeParse(value);
  if (!parsed.success) throw malformedFault(where, 'the last line of the export was altered');
  if (parsed.data.lines === lines && parsed.data.keys === keys) return true;
  throw malformedFault(
    where,
    `${lines} lines with ${keys} keys are before it, but ${parsed.data.lines} with ${parsed.data.keys} were written`,
  );
}

/** The lines of one record follow one another, with the same key, type and expiry, numbered from 0. */
class OpenRecord {
  private open: { key: string; line: RecordLine; next: number } | null = null;
  /** The key whose lines are skipped because its record begins in a part that is not in the file. */
  private skippedKey: string | null = null;
  /** The last entry of an open stream. */
  private lastEntry: string | null = null;

  *addLine(line: RecordLine, where: string, strict: boolean): Generator<Item> {
    const key = keyOf(line).toString('latin1');
    const { i = 0 } = line;
    if (this.open === null && i > 0) {
      if (strict) throw malformedFault(where, 'it continues a key that no earlier line begins');
      if (this.skippedKey !== key)
        yield { lost: 'failed', key: keyOf(line), reason: 'its first lines are in an earlier part' };
      this.skippedKey = line.last === true ? null : key;
      return;
    }
    this.skippedKey = null;
    if (this.open === null || i === 0) {
      if (this.open !== null) throw malformedFault(where, 'a key begins before the previous key has ended');
      if (line.i !== undefined && line.last !== true) this.open = { key, line, next: 1 };
    } else {
      const { line: first, next } = this.open;
      const isSame = this.open.key === key && first.t === line.t && first.x === line.x && i === next;
      if (!isSame) throw malformedFault(where, 'it does not continue the key of the line before it');
      this.open = line.last === true ? null : { ...this.open, next: next + 1 };
    }
    if (line.t === 'stream') this.assertOrder(line, where);
    yield { line };
  }

  /** Redis accepts entries only in ascending order, and no last id before the last entry. */
  private assertOrder({ i = 0, v }: RecordLine, where: string): void {
    const { entries, lastId } = v as StreamValue;
    if (i === 0) this.lastEntry = null;
    for (const [id] of entries) {
      if (!comesAfter(id, this.lastEntry))
        throw malformedFault(where, 'the entries of the stream are not in ascending order');
      this.lastEntry = id;
    }
    if (lastId !== undefined && this.lastEntry !== null && comesAfter(this.lastEntry, lastId))
      throw malformedFault(where, "the stream's last id comes before its last entry");
  }

  /** A record that continues in a part that is not in the file is voided. */
  *end(where: string, strict: boolean): Generator<Item> {
    if (this.open === null) return;
    if (strict) throw cutShortFault(where, 'the last key has no last line');
    const { line, next } = this.open;
    const v = emptyValue(line);
    yield { line: { k: line.k, t: line.t, i: next, last: true, void: true, v } };
    yield { lost: 'failed', key: keyOf(line), reason: 'its last lines are in a later part' };
  }
}

function emptyValue({ t }: RecordLine): RecordLine['v'] {
  return t === 'stream' ? { entries: [] } : t === 'string' || t === 'json' ? '' : [];
}

/** Whether a text can be written as UTF-8: half of a surrogate pair would be replaced. */
export const isWellFormed = (value: string): boolean => !/\p{Surrogate}/u.test(value);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const isText = (value: unknown): boolean =>
  typeof value === 'string'
    ? isWellFormed(value)
    : isObject(value) && typeof value['b'] === 'string' && BASE64.test(value['b']);
const isCount = (value: unknown): boolean =>
  typeof value === 'string' ? /^\d{1,20}$/.test(value) : Number.isSafeInteger(value) && (value as number) >= 0;
const isTime = (value: unknown): boolean => isCount(value) && BigInt(value as string) <= BigInt(MAX_KEY_EXPIRY);
const LARGEST_ID_PART = 2n ** 64n - 1n;
const ID = /^(?:0|[1-9]\d{0,19})-(?:0|[1-9]\d{0,19})$/;
/** Whether the value is a stream id in the form of Redis. */
export const isStreamId = (value: unknown): value is string =>
  typeof value === 'string' && ID.test(value) && value.split('-').every((part) => BigInt(part) <= LARGEST_ID_PART);
/** Whether Redis accepts the entry: it accepts neither the id 0-0 nor an entry without fields. */
export const isEntry = (id: unknown, fields: unknown): boolean =>
  isStreamId(id) && id !== '0-0' && Array.isArray(fields) && fields.length > 0 && fields.length % 2 === 0;

/** Whether `id` comes after `before`, as required of entries; `before` is null for the first entry. */
export function comesAfter(id: string, before: string | null): boolean {
  if (before === null) return true;
  const [[ms = 0n, number = 0n], [msBefore = 0n, numberBefore = 0n]] = [idParts(id), idParts(before)];
  return ms === msBefore ? number > numberBefore : ms > msBefore;
}

function idParts(id: string): bigint[] {
  return id.split('-').map(BigInt);
}
const SCORE = /^-?(?:inf|(\d+(?:\.\d+)?)(?:e[-+]?\d+)?)$/;
/** Whether the value is a score in the form of Redis, which accepts no digits beyond the range of an IEEE double. */
export const isScore = (value: unknown): value is string => {
  const match = typeof value === 'string' ? SCORE.exec(value) : null;
  if (match?.[1] === undefined) return match !== null;
  const score = Number(value);
  return Number.isFinite(score) && (score !== 0 || /^[0.]+$/.test(match[1]));
};
/** Whether the text is a JSON document; servers check the same. */
export function isDocument(value: string): boolean {
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}
const isListOf = (value: unknown, test: (each: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(test);
const isPair = (value: unknown, test: (second: unknown) => boolean): boolean =>
  Array.isArray(value) && value.length === 2 && isText(value[0]) && test(value[1]);

const FIELDS = new Set(['k', 't', 'x', 'v', 'fx', 'i', 'last', 'void']);

/** Throws FileFault unless the line is one that docs/format.md allows. */
function checkLine(value: Record<string, unknown>, where: string): RecordLine {
  const toFault = (what: string): FileFault =>
    malformedFault(where, what, 'Lines of a snapshot: docs/format.md. Export it again.');
  const { fx, i, k, last, t, v, x } = value;
  if (!isText(k)) throw toFault('it has no key');
  if (typeof t !== 'string' || !isRecordType(t)) throw toFault(`it is of type ${toPrintable(t)}, which does not exist`);
  const other = Object.keys(value).find((name) => !FIELDS.has(name));
  if (other !== undefined) throw toFault(`it has the unknown field ${toPrintable(other)}`);
  if (x !== undefined && !isTime(x)) throw toFault('its expiry is not a time');
  if (i !== undefined && !(Number.isSafeInteger(i) && (i as number) >= 0))
    throw toFault('its number is not a whole number');
  if (last !== undefined && (last !== true || i === undefined))
    throw toFault('it is marked as the last line of a record without line numbers');
  if (value['void'] !== undefined && (value['void'] !== true || last !== true))
    throw toFault('it voids a record on a line that is not its last');
  if (value['void'] !== true && !isValue(t, v)) throw toFault(`its value is not valid for a ${t}`);
  if (fx !== undefined && !(t === 'hash' && isListOf(fx, (each) => isPair(each, isTime))))
    throw toFault('the expiry of its fields is malformed');
  if (fx !== undefined && value['void'] !== true && !areAllFields(fx as [unknown][], v as [unknown][]))
    throw toFault('it has an expiry for a field that it does not have');
  const line = value as unknown as RecordLine;
  if (isEmpty(line)) throw toFault(`its value is empty, which a ${t} cannot be`);
  if (
    t === 'stream' &&
    line.void !== true &&
    (i === undefined || last === true) &&
    (v as StreamValue).lastId === undefined
  ) {
    throw toFault('the stream ends without its last id');
  }
  return line;
}

function isValue(type: RecordLine['t'], v: unknown): boolean {
  switch (type) {
    case 'string':
      return isText(v);
    case 'json':
      return isText(v) && typeof v === 'string' && isDocument(v);
    case 'list':
    case 'set':
      return isListOf(v, isText);
    case 'hash':
      return isListOf(v, (each) => isPair(each, isText));
    case 'zset':
      return isListOf(v, (each) => isPair(each, isScore));
    case 'stream':
      return isObject(v) && isStream(v);
  }
}

function isStream({ entries, entriesAdded, groups, lastId, maxDeletedId }: Record<string, unknown>): boolean {
  return (
    isListOf(
      entries,
      (each) => Array.isArray(each) && each.length === 2 && isEntry(each[0], each[1]) && isListOf(each[1], isText),
    ) &&
    (lastId === undefined || isStreamId(lastId)) &&
    (maxDeletedId === undefined || isStreamId(maxDeletedId)) &&
    (entriesAdded === undefined || isCount(entriesAdded)) &&
    (groups === undefined ||
      (isListOf(groups, (group) => isObject(group) && isGroup(group)) && isUnique(groups as StreamGroup[], 'name')))
  );
}

function isGroup({ consumers, entriesRead, lastId, name, pending }: Record<string, unknown>): boolean {
  const isPending = (each: unknown): boolean =>
    Array.isArray(each) &&
    each.length === 4 &&
    isStreamId(each[0]) &&
    isText(each[1]) &&
    isTime(each[2]) &&
    isTime(each[3]);
  return (
    isText(name) &&
    isStreamId(lastId) &&
    (entriesRead === null || isTime(entriesRead)) &&
    isListOf(consumers, isText) &&
    isListOf(pending, isPending) &&
    isUnique(pending as PendingEntry[], 0)
  );
}

function areAllFields(expiring: readonly [unknown][], pairs: readonly [unknown][]): boolean {
  const fields = new Set(pairs.map(([field]) => JSON.stringify(field)));
  return expiring.every(([field]) => fields.has(JSON.stringify(field)));
}

function isUnique<T>(list: readonly T[], name: keyof T): boolean {
  return new Set(list.map((each) => JSON.stringify(each[name]))).size === list.length;
}

/** Redis has no empty collections: a restore would write no key, and report nothing. */
function isEmpty({ i, last, t, v, void: isTakenBack }: RecordLine): boolean {
  const isWholeRecord = i === undefined || (i === 0 && last === true && isTakenBack !== true);
  return isWholeRecord && t !== 'string' && t !== 'json' && t !== 'stream' && (v as unknown[]).length === 0;
}

/** A word of the file, shortened and quoted for messages. */
export function toPrintable(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 32)) : typeof value;
}
