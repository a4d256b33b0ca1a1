import { AppError } from '../errors.js';
import { decoded, type RedisValue, type WireValue } from '../ports/redis.js';
import { type ExpiryTime, lineHead, type RecordLine, type RecordType, type RecordValue } from './record.js';
import { toText, type Text } from '../soulcaster/text.js';

/** A whole value as the database sent it, to be written as a line of a part. */
export interface SentValue {
  readonly key: Buffer;
  readonly type: RecordType;
  /** Null when the key does not expire. */
  readonly expiry: ExpiryTime | null;
  readonly sent: WireValue;
}

/** A line to be written to a part. */
export type FreshLine = SentValue | RecordLine;

export function isSent(line: FreshLine): line is SentValue {
  return 'sent' in line;
}

export function recordOf(line: FreshLine): RecordLine {
  if (!isSent(line)) return line;
  return { ...lineHead(line.key, line.type, line.expiry), v: toValue(line.type, line.sent) };
}

export function hasExpiry(line: FreshLine): boolean {
  return isSent(line) ? line.expiry !== null : line.x !== undefined;
}

/** Names of a hash's fields. */
export function fieldNames(line: FreshLine): Text[] {
  if (!isSent(line)) return (line.v as readonly (readonly [Text, Text])[]).map(([name]) => name);
  const items = asArray(decoded(line.sent));
  const names: Text[] = [];
  for (let at = 0; at + 1 < items.length; at += 2) names.push(toText(asBuffer(items[at])));
  return names;
}

/** Converts a reply of the command that reads a whole value, or of a paged command, to the value of a record. */
export function toValue(type: RecordType, sent: WireValue): RecordValue {
  const value = decoded(sent);
  if (type === 'string' || type === 'json') return toText(asBuffer(value));
  const items = asArray(value).map((item) => toText(asBuffer(item)));
  return type === 'hash' || type === 'zset' ? toPairs(items) : items;
}

export function asBuffer(value: RedisValue | undefined): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (typeof value === 'number' || typeof value === 'bigint') return Buffer.from(String(value));
  throw protocolError();
}

export function asArray(value: RedisValue | undefined): RedisValue[] {
  if (Array.isArray(value)) return value;
  throw protocolError();
}

function toPairs<T>(items: readonly T[]): (readonly [T, T])[] {
  const pairs: (readonly [T, T])[] = [];
  for (let at = 0; at + 1 < items.length; at += 2) pairs.push([items[at] as T, items[at + 1] as T]);
  return pairs;
}

function protocolError(): AppError {
  return new AppError('redis-unavailable', 'Redis gave a reply that its protocol does not allow', {
    hint: 'Check that UPSTASH_REDIS_REST_URL points to an Upstash database and not to something in front of it.',
    transient: true,
  });
}
