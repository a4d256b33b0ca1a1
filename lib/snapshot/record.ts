import { fromText, toText, type Text } from '../soulcaster/text.js';
import type { RedisValue } from '../ports/redis.js';

export const RECORD_TYPES = ['string', 'hash', 'list', 'set', 'zset', 'stream', 'json'] as const;
export type RecordType = (typeof RECORD_TYPES)[number];

export function isRecordType(type: string): type is RecordType {
  return (RECORD_TYPES as readonly string[]).includes(type);
}

/** A counter of Redis: a number up to 2^53-1, above it the decimal digits as text. */
export type Count = number | string;

/** A pending entry of a stream's group: id, consumer, time of the last delivery in ms since the epoch, deliveries. */
export type PendingEntry = readonly [id: string, consumer: Text, deliveredAt: number, deliveries: Count];

export interface StreamGroup {
  readonly name: Text;
  readonly lastId: string;
  readonly entriesRead: Count | null;
  readonly consumers: readonly Text[];
  readonly pending: readonly PendingEntry[];
}

/** `entries` are [id, [field, value, field, value, ...]]; only a key's last line has the other fields. */
export interface StreamValue {
  readonly entries: readonly (readonly [id: string, fields: readonly Text[]])[];
  readonly lastId?: string;
  readonly maxDeletedId?: string;
  readonly entriesAdded?: Count;
  readonly groups?: readonly StreamGroup[];
}

/**
 * The value on one line. string and json: Text; list and set: Text[]; hash: [field, value][]; zset: [member, score][]
 * with the score as Redis prints it; stream: StreamValue.
 */
export type RecordValue = Text | readonly Text[] | readonly (readonly [Text, Text])[] | StreamValue;

/**
 * One line of a part. A key of ordinary size is one line without `i`. A big key is several lines, numbered by `i`, the last
 * of them with `last`; their values are joined. `void` beside `last` voids the key's lines so far: the key disappeared or
 * changed while it was read page by page.
 */
export interface RecordLine {
  readonly k: Text;
  readonly t: RecordType;
  /** When the key expires; absent when it does not. */
  readonly x?: ExpiryTime;
  readonly i?: number;
  readonly last?: true;
  readonly void?: true;
  readonly v: RecordValue;
  /** Expiry of single hash fields; absent when none has one. */
  readonly fx?: readonly (readonly [Text, ExpiryTime])[];
}

export function encodeLine(line: RecordLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** Reads a line that `encodeLine` made; throws a SyntaxError for text that is not JSON. */
export function decodeLine(line: string): RecordLine {
  return JSON.parse(line) as RecordLine;
}

/** Whether a record begins on this line. */
export function startsRecord(line: RecordLine): boolean {
  return line.i === undefined || line.i === 0;
}

/** Whether a record ends on this line. */
export function endsRecord(line: RecordLine): boolean {
  return line.i === undefined || line.last === true;
}

export function keyOf(line: RecordLine): Buffer {
  return fromText(line.k);
}

/** The fields that every line of a key has. */
export function lineHead(key: Buffer, type: RecordType, expiry: ExpiryTime | null): Pick<RecordLine, 'k' | 't' | 'x'> {
  return expiry === null ? { k: toText(key), t: type } : { k: toText(key), t: type, x: expiry };
}

/**
 * When a key or a hash field expires, in milliseconds since the epoch: a number up to 2^53-1, above it the decimal
 * digits as text, because a JSON number would be rounded.
 */
export type ExpiryTime = number | string;

/** The largest expiry a key can have: PEXPIREAT takes a signed 64-bit integer. */
export const MAX_KEY_EXPIRY = '9223372036854775807';
/** The largest expiry that Redis 8 accepts for a hash field, 2^46-1; Valkey accepts the maximum of a key. */
export const MAX_FIELD_EXPIRY = 2 ** 46 - 1;

const MAX = BigInt(MAX_KEY_EXPIRY);
const DIGITS = /^\d{1,20}$/;

/** The time in a reply of PEXPIRETIME, or of HPEXPIRETIME for one field; null when there is none (-1, -2, no integer). */
export function parseExpiry(reply: RedisValue | undefined): ExpiryTime | null {
  if (typeof reply === 'number') return reply >= 0 ? reply : null;
  if (typeof reply === 'bigint') return reply >= 0n ? fromBigInt(reply) : null;
  if (!Buffer.isBuffer(reply)) return null;
  const text = reply.toString('latin1');
  return DIGITS.test(text) ? fromBigInt(BigInt(text)) : null;
}

/** Below zero when `a` is before `b`, above zero when it is after, else 0. Exact. */
export function compareExpiry(a: ExpiryTime, b: ExpiryTime): number {
  if (isExact(a) && isExact(b)) return a - b;
  const [left, right] = [toBigInt(a), toBigInt(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

export function sameExpiry(a: ExpiryTime | undefined, b: ExpiryTime | undefined): boolean {
  return a === undefined || b === undefined ? a === b : compareExpiry(a, b) === 0;
}

/** Whether the time has come. */
export function isDue(time: ExpiryTime, nowMs: number): boolean {
  return isExact(time) ? time <= nowMs : toBigInt(time) <= BigInt(Math.floor(nowMs));
}

/** The exact time as an argument of PEXPIREAT and HPEXPIREAT. */
export function toArgument(time: ExpiryTime): string | number {
  return isExact(time) ? time : String(toBigInt(time));
}

/** The time `ms` later, at most the largest expiry of a key. */
export function shiftExpiry(time: ExpiryTime, ms: number): ExpiryTime {
  const sum = isExact(time) ? time + ms : Number.NaN;
  return Number.isSafeInteger(sum) ? sum : fromBigInt(toBigInt(time) + BigInt(Math.trunc(ms)));
}

/** Whether SET accepts the time with PXAT; other times are set by PEXPIREAT. */
export function fitsSet(time: ExpiryTime): boolean {
  return isExact(time);
}

function isExact(time: ExpiryTime): time is number {
  return typeof time === 'number' && Number.isSafeInteger(time);
}

/** Earlier versions rounded times above 2^53: a time that they rounded up to 2^63 was the maximum. */
function toBigInt(time: ExpiryTime): bigint {
  const exact = BigInt(typeof time === 'number' ? Math.trunc(time) : time);
  return exact > MAX ? MAX : exact;
}

function fromBigInt(time: bigint): ExpiryTime {
  const capped = time > MAX ? MAX : time;
  return capped <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(capped) : String(capped);
}
