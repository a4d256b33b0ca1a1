import type { RedisValue } from '../ports/redis.js';

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
