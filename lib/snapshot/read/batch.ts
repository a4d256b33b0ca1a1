import { AppError } from '../../errors.js';
import type { RedisCommand, RedisPort, RedisReply, RedisValue } from '../../ports/redis.js';
import { parseExpiry } from '../expiry-time.js';
import { encodeLine, lineHead, type RecordLine, type RecordType, type RecordValue } from '../record.js';
import { toText } from '../text.js';

export interface TypedKey {
  readonly key: Buffer;
  readonly type: RecordType;
}

/** What became of one key of a batch. */
export type ReadOutcome =
  | { readonly kind: 'line'; readonly line: string }
  | { readonly kind: 'gone' }
  /** Too big for one reply: to be read page by page. */
  | { readonly kind: 'big' }
  /** Not of the type any more that SCAN said. */
  | { readonly kind: 'moved' }
  | { readonly kind: 'failed'; readonly reason: string };

/** Redis's words for a reply that does not fit, as an item's error (Upstash troubleshooting, "max request size exceeded"). */
const TOO_LARGE = /max request size exceeded/i;
/** What one key can do to a whole request; an EXECABORT comes as `redis-command`. */
const CUTTABLE: ReadonlySet<string> = new Set(['redis-reply-too-large', 'redis-command']);
const WRONG_TYPE = /^WRONGTYPE/;

/**
 * Reads a page of keys, value and expiry of each within one MULTI. Strings share one MGET, since commands are what is
 * billed and throttled. A page that is refused as a whole is
 * cut in two until the key that is to blame stands alone.
 */
export async function readBatch(redis: RedisPort, keys: readonly TypedKey[]): Promise<ReadOutcome[]> {
  if (keys.length === 0) return [];
  try {
    return await readWhole(redis, keys);
  } catch (error) {
    if (!(error instanceof AppError) || !CUTTABLE.has(error.code)) throw error;
    if (keys.length === 1) {
      return [error.code === 'redis-reply-too-large' ? { kind: 'big' } : { kind: 'failed', reason: error.message }];
    }
    const middle = Math.ceil(keys.length / 2);
    const first = await readBatch(redis, keys.slice(0, middle));
    return [...first, ...(await readBatch(redis, keys.slice(middle)))];
  }
}

async function readWhole(redis: RedisPort, keys: readonly TypedKey[]): Promise<ReadOutcome[]> {
  const strings = keys.filter(({ type }) => type === 'string').map(({ key }) => key);
  const commands: RedisCommand[] = strings.length > 0 ? [['MGET', ...strings]] : [];
  for (const { key, type } of keys) {
    if (type !== 'string') commands.push(valueCommand(type, key));
    commands.push(['PEXPIRETIME', key]);
  }
  const replies = await redis.transaction(commands);
  return outcomes(keys, strings.length > 0, replies);
}

function outcomes(keys: readonly TypedKey[], hasStrings: boolean, replies: readonly RedisReply[]): ReadOutcome[] {
  let next = 0;
  const take = (): RedisReply => replies[next++] ?? { error: 'no reply' };
  const values = hasStrings ? take() : null;
  let string = 0;
  return keys.map(({ key, type }) => {
    const value = type === 'string' ? pick(values, string++) : take();
    return outcome(key, type, value, take());
  });
}

/** One value of MGET's reply. When MGET itself failed, that is every string's error. */
function pick(values: RedisReply | null, index: number): RedisReply {
  if (values === null) return { error: 'no reply' };
  if ('error' in values) return values;
  return Array.isArray(values.value) ? { value: values.value[index] ?? null } : { error: 'reply of another form' };
}

function outcome(key: Buffer, type: RecordType, value: RedisReply, expiry: RedisReply): ReadOutcome {
  if ('error' in expiry) return { kind: 'failed', reason: errorKind(expiry.error) };
  if (expiry.value === -2) return { kind: 'gone' };
  if ('error' in value) {
    if (WRONG_TYPE.test(value.error)) return { kind: 'moved' };
    return TOO_LARGE.test(value.error) ? { kind: 'big' } : { kind: 'failed', reason: errorKind(value.error) };
  }
  // MGET answers nil, not an error, for a key that is there but holds no string.
  if (value.value === null) return { kind: 'moved' };
  const line: RecordLine = { ...lineHead(key, type, parseExpiry(expiry.value)), v: toValue(type, value.value) };
  return { kind: 'line', line: encodeLine(line) };
}

/** The first word of an error, in Redis's manner its kind: the rest may quote a value. */
export function errorKind(error: string): string {
  return /^[A-Z]+\b/.exec(error)?.[0] ?? 'ERR';
}

/** The command that reads a whole value. Streams never come here: they are always read in pages. */
export function valueCommand(type: RecordType, key: Buffer): RedisCommand {
  switch (type) {
    case 'string':
      return ['GET', key];
    case 'hash':
      return ['HGETALL', key];
    case 'list':
      return ['LRANGE', key, 0, -1];
    case 'set':
      return ['SMEMBERS', key];
    case 'zset':
      return ['ZRANGE', key, 0, -1, 'WITHSCORES'];
    case 'json':
      return ['JSON.GET', key];
    case 'stream':
      return ['XRANGE', key, '-', '+'];
  }
}

/** A reply of `valueCommand`, or a page of a paged command, as it stands in a record. */
export function toValue(type: RecordType, value: RedisValue): RecordValue {
  if (type === 'string' || type === 'json') return toText(asBuffer(value));
  const items = asArray(value).map((item) => toText(asBuffer(item)));
  return type === 'hash' || type === 'zset' ? toPairs(items) : items;
}

export function asBuffer(value: RedisValue | undefined): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (typeof value === 'number' || typeof value === 'bigint') return Buffer.from(String(value));
  throw protocol();
}

export function asArray(value: RedisValue | undefined): RedisValue[] {
  if (Array.isArray(value)) return value;
  throw protocol();
}

function toPairs<T>(items: readonly T[]): (readonly [T, T])[] {
  const pairs: (readonly [T, T])[] = [];
  for (let at = 0; at + 1 < items.length; at += 2) pairs.push([items[at] as T, items[at + 1] as T]);
  return pairs;
}

function protocol(): AppError {
  return new AppError('redis-unavailable', 'Redis answered in a form that the protocol does not have', {
    hint: 'Check that UPSTASH_REDIS_REST_URL points to an Upstash database and not to something in front of it.',
    transient: true,
  });
}
