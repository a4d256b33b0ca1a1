import type { RedisValue } from '../ports/redis.js';

/**
 * When a key or a hash field expires, in milliseconds since the epoch: a number up to 2^53-1, above it its decimal
 * digits, since JSON numbers would be rounded.
 */
export type ExpiryTime = number | string;

/** The largest expiry a key can have: PEXPIREAT takes a signed 64-bit integer. */
export const MAX_KEY_EXPIRY = '9223372036854775807';
/** The largest expiry Redis 8 gives a hash field, 2^46-1; Valkey takes as much as for a key. */
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

/** Below zero when `a` comes before `b`, above zero when it comes after, else 0. Exact. */
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

/** The time as an argument of PEXPIREAT and HPEXPIREAT, to the last digit. */
export function toArgument(time: ExpiryTime): string | number {
  return isExact(time) ? time : String(toBigInt(time));
}

/** A time that lies `ms` later; no later than a key can expire. */
export function shiftExpiry(time: ExpiryTime, ms: number): ExpiryTime {
  const sum = isExact(time) ? time + ms : Number.NaN;
  return Number.isSafeInteger(sum) ? sum : fromBigInt(toBigInt(time) + BigInt(Math.trunc(ms)));
}

/** Whether SET takes the time with PXAT; what it does not take is set by PEXPIREAT. */
export function fitsSet(time: ExpiryTime): boolean {
  return isExact(time);
}

function isExact(time: ExpiryTime): time is number {
  return typeof time === 'number' && Number.isSafeInteger(time);
}

/** Earlier versions rounded times above 2^53: what they rounded up to 2^63 was the largest time there is. */
function toBigInt(time: ExpiryTime): bigint {
  const exact = BigInt(typeof time === 'number' ? Math.trunc(time) : time);
  return exact > MAX ? MAX : exact;
}

function fromBigInt(time: bigint): ExpiryTime {
  const capped = time > MAX ? MAX : time;
  return capped <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(capped) : String(capped);
}
