import {
  MAX_KEY_EXPIRY,
  isRecordType,
  type PendingEntry,
  type RecordLine,
  type StreamGroup,
  type StreamValue,
} from '../../snapshot/record.js';
import { type FileFault, malformedFault } from '../fault.js';

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
export function checkLine(value: Record<string, unknown>, where: string): RecordLine {
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
