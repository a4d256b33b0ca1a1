import { isUtf8 } from 'node:buffer';
import { AppError } from '../../errors.js';
import {
  isSentJson,
  type RedisCommand,
  type RedisPort,
  type RedisReply,
  type WireReply,
  type WireValue,
} from '../../ports/redis.js';
import { absentKey, runOne } from '../../redis/run-one.js';
import { readAtOnce, type Moment } from '../../redis/at-once.js';
import { inHalves, isTooLarge, saysTooLarge } from '../../redis/halving.js';
import { parseExpiry, type RecordType } from '../record.js';
import type { FreshLine } from '../sent-value.js';

export interface TypedKey {
  readonly key: Buffer;
  readonly type: RecordType;
}

/** The result for one key of a batch. */
export type ReadOutcome =
  /** `changed`: kept changing while the value was read, so that the line may mix two moments. */
  | { readonly kind: 'line'; readonly line: FreshLine; readonly changed?: 'expiry' | 'fields' }
  | { readonly kind: 'gone' }
  /** Too big for one reply; must be read page by page. */
  | { readonly kind: 'big' }
  /** No longer of the type that SCAN returned. */
  | { readonly kind: 'moved' }
  | { readonly kind: 'failed'; readonly reason: string };

/** Errors of a whole request that one key can cause; an EXECABORT comes as `redis-command`. */
const CAUSED_BY_ONE_KEY: ReadonlySet<string> = new Set(['redis-reply-too-large', 'redis-command']);
const WRONG_TYPE = /^WRONGTYPE/;

/** Reads of a key whose expiry keeps changing while its value is read. */
const ATTEMPTS = 3;

/**
 * Reads a page of keys, with value and expiry of each at one moment. Strings share one MGET, because commands are billed and
 * throttled. A page that is refused is split in two until the key that causes the refusal is alone.
 */
export async function readBatch(redis: RedisPort, keys: readonly TypedKey[]): Promise<ReadOutcome[]> {
  const outcomes = await readAllowed(redis, keys);
  for (let attempt = 2; attempt <= ATTEMPTS; attempt++) {
    const unsteady = outcomes.flatMap((outcome, at) => (isUnsteady(outcome) ? [at] : []));
    if (unsteady.length === 0) break;
    const again = await readFitting(
      redis,
      unsteady.map((at) => keys[at] as TypedKey),
    );
    for (const [index, at] of unsteady.entries()) outcomes[at] = again[index] ?? { kind: 'gone' };
  }
  return outcomes;
}

/** A name that is not UTF-8 is sent in a script. Where the token may not run scripts, only the keys with such names fail. */
async function readAllowed(redis: RedisPort, keys: readonly TypedKey[]): Promise<ReadOutcome[]> {
  try {
    return await readFitting(redis, keys);
  } catch (error) {
    if (!isScriptDenied(error, keys)) throw error;
    const plain = keys.filter(({ key }) => isUtf8(key));
    // Throws if the token may not read at all.
    await runOne(redis, (sdk) => sdk.exists(absentKey()));
    const read = await readFitting(redis, plain);
    let next = 0;
    return keys.map(({ key }) => (isUtf8(key) ? (read[next++] ?? { kind: 'gone' }) : NOT_ALLOWED));
  }
}

/** The outcome of a key whose name is not UTF-8 where scripts are not allowed. */
export const NOT_ALLOWED = { kind: 'failed', reason: 'a name that is not UTF-8: NOPERM' } as const;

/** Whether the database refused a request that was sent as a script because of a key's name. */
export function isScriptDenied(error: unknown, keys: readonly Pick<TypedKey, 'key'>[]): boolean {
  return error instanceof AppError && error.code === 'redis-denied' && !keys.every(({ key }) => isUtf8(key));
}

function isUnsteady(outcome: ReadOutcome): boolean {
  return outcome.kind === 'line' && outcome.changed !== undefined;
}

function readFitting(redis: RedisPort, keys: readonly TypedKey[]): Promise<ReadOutcome[]> {
  const alone = (_key: TypedKey, error: AppError): ReadOutcome =>
    isTooLarge(error) ? { kind: 'big' } : { kind: 'failed', reason: error.message };
  return inHalves(
    keys,
    (some) => readWhole(redis, some),
    alone,
    ({ code }) => CAUSED_BY_ONE_KEY.has(code),
  );
}

async function readWhole(redis: RedisPort, keys: readonly TypedKey[]): Promise<ReadOutcome[]> {
  const strings: Buffer[] = [];
  const values: RedisCommand[] = [];
  const expiries: RedisCommand[] = [];
  for (const { key, type } of keys) {
    expiries.push(['PEXPIRETIME', key]);
    if (type === 'string') strings.push(key);
    else values.push(valueCommand(type, key));
  }
  if (strings.length > 0) values.unshift(['MGET', ...strings]);
  const moment = await readAtOnce(redis, values, expiries, 'wire');
  return parseOutcomes(keys, strings.length > 0, moment);
}

function parseOutcomes(
  keys: readonly TypedKey[],
  hasStrings: boolean,
  { values, marks, steady }: Moment<WireReply>,
): ReadOutcome[] {
  const fetched = hasStrings ? listOf(values[0] ?? NO_REPLY) : [];
  let next = hasStrings ? 1 : 0;
  let string = 0;
  return keys.map(({ key, type }, at) => {
    const value = type === 'string' ? pick(fetched, string++) : (values[next++] ?? NO_REPLY);
    const found = parseOutcome(key, type, value, marks[at] ?? NO_REPLY);
    return found.kind === 'line' && steady[at] === false ? { ...found, changed: 'expiry' } : found;
  });
}

const NO_REPLY: Extract<RedisReply, { error: string }> = { error: 'no reply' };

/** MGET's reply as a list of values, or its error, which then applies to every string. */
function listOf(reply: WireReply): readonly WireValue[] | { readonly error: string } {
  if ('error' in reply) return reply;
  const list = isSentJson(reply.value) ? reply.value.elements() : reply.value;
  return Array.isArray(list) ? list : { error: 'reply of another form' };
}

function pick(list: readonly WireValue[] | { readonly error: string }, index: number): WireReply {
  return 'error' in list ? list : { value: list[index] ?? null };
}

function parseOutcome(key: Buffer, type: RecordType, value: WireReply, expiry: RedisReply): ReadOutcome {
  if ('error' in expiry) return { kind: 'failed', reason: errorKind(expiry.error) };
  if (expiry.value === -2) return { kind: 'gone' };
  if ('error' in value) {
    if (WRONG_TYPE.test(value.error)) return { kind: 'moved' };
    return saysTooLarge(value) ? { kind: 'big' } : { kind: 'failed', reason: errorKind(value.error) };
  }
  // MGET returns nil, not an error, for a key that exists but is no string.
  if (value.value === null) return { kind: 'moved' };
  return { kind: 'line', line: { key, type, expiry: parseExpiry(expiry.value), sent: value.value } };
}

/** The first word of an error, which is its kind; the rest may quote a value. */
export function errorKind(error: string): string {
  return /^[A-Z]+\b/.exec(error)?.[0] ?? 'ERR';
}

/** The command that reads a whole value. Streams are always read in pages, not by this command. */
function valueCommand(type: RecordType, key: Buffer): RedisCommand {
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
