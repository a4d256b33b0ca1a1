import { AppError } from '../../errors.js';
import type { RedisArgument, RedisCommand, RedisPort, RedisReply, RedisValue, Reply } from '../../ports/redis.js';
import { absentKey } from '../../redis/run-one.js';
import { readAtOnce, type Moment } from '../../redis/at-once.js';
import {
  byBytes,
  bytesOfArgument,
  inHalves,
  pipelineInHalves,
  saysTooLarge,
  tooLarge,
  TOO_LARGE_ALONE,
} from '../../redis/halving.js';
import { parseExpiry, type ExpiryTime, lineHead, type RecordLine } from '../record.js';
import { asArray, fieldNames, toValue } from '../sent-value.js';
import { fromText, type Text } from '../../soulcaster/text.js';
import { errorKind, readBatch, type ReadOutcome, type TypedKey } from './batch.js';

/** The result for a line of a big hash. */
type WithFieldExpiry =
  | { readonly kind: 'line'; readonly line: RecordLine; readonly isEmpty: boolean }
  | { readonly kind: 'moved' }
  | { readonly kind: 'failed'; readonly reason: string };

/** Fields in one command, well below the number of arguments that a script with binary arguments can unpack. */
const FIELDS_PER_COMMAND = 2000;
/** Reads of a hash that gets new fields while the expiry of its fields is read. */
const ATTEMPTS = 4;

interface FieldExpiryProbe {
  readonly fieldExpiry: 'read' | 'none';
  /** The server's count of expired fields, with its `run_id`; null where it does not count them. */
  readonly expired: string | null;
}

/**
 * Finds out whether the expiry of hash fields has to be read. INFO of Redis 8 counts the hashes that have fields with an expiry
 * (`subexpiry`) and the fields that expired (`expired_subkeys`), and so does Valkey 9 (`keys_with_volatile_items`,
 * `expired_fields`). On a server that knows HPEXPIRETIME and does not count both, it has to be read. Throws `redis-denied`
 * where HPEXPIRETIME is needed and not allowed.
 */
export async function probeFieldExpiry(redis: RedisPort): Promise<FieldExpiryProbe> {
  // One INFO for both counts, so that both are from the same moment.
  const [probe, info] = await redis.pipeline([['HPEXPIRETIME', absentKey(), 'FIELDS', 1, 'f'], ['INFO']]);
  const isDenied = saysDenied(probe);
  if (!isDenied && (probe === undefined || 'error' in probe)) return { fieldExpiry: 'none', expired: null };
  const counted = parseCounts(info);
  if (isDenied && counted.fieldExpiry === 'read') throw deniedFieldExpiry();
  return counted;
}

/** Whether a server knows the command but does not allow it: fields with an expiry may exist. */
export function saysDenied(reply: Reply<unknown> | undefined): boolean {
  return reply !== undefined && 'error' in reply && /^NOPERM\b/i.test(reply.error);
}

export function deniedFieldExpiry(): AppError {
  return new AppError(
    'redis-denied',
    'The token may not read when hash fields expire (HPEXPIRETIME), and there may be fields that do',
    {
      hint: 'A restore would bring them back as fields that never expire. Allow the token to use HPEXPIRETIME; see docs/operations.md.',
    },
  );
}

/** The counts of fields with an expiry in INFO. */
function parseCounts(info: RedisReply | undefined): FieldExpiryProbe {
  if (info === undefined || 'error' in info || !Buffer.isBuffer(info.value)) {
    return { fieldExpiry: 'read', expired: null };
  }
  const text = info.value.toString('latin1');
  const found = text.matchAll(/(?:subexpiry|keys_with_volatile_items)=(\d+)/g);
  const counts = [...found].map((match) => Number(match[1]));
  const total = /^(?:expired_subkeys|expired_fields):(\d+)/m.exec(text)?.[1];
  const expired = total === undefined ? null : `${total} ${/^run_id:(\w+)/m.exec(text)?.[1] ?? ''}`;
  const none = expired !== null && counts.length > 0 && counts.every((count) => count === 0);
  return { fieldExpiry: none ? 'none' : 'read', expired };
}

type Field = readonly [name: Text, value: Text];
/** The expiry of each field, null for none; a field that is gone has no entry. */
type Times = ReadonlyMap<string, ExpiryTime | null>;

/** Reads a page of keys, with the expiry of hash fields if `fieldExpiry`. */
export async function readValues(
  redis: RedisPort,
  keys: readonly TypedKey[],
  fieldExpiry: boolean,
): Promise<ReadOutcome[]> {
  const outcomes = await readBatch(redis, keys);
  return fieldExpiry ? addFieldExpiry(redis, keys, outcomes) : outcomes;
}

/**
 * Adds the expiry of single fields to the lines of a page's hashes, with one request for all hashes. A hash in which any
 * field expires, or has gone, is then read again together with its fields' expiry, so that both are from one moment.
 */
export async function addFieldExpiry(
  redis: RedisPort,
  keys: readonly TypedKey[],
  outcomes: readonly ReadOutcome[],
): Promise<ReadOutcome[]> {
  const result = [...outcomes];
  const hashes = keys.flatMap(({ key, type }, at): Hash[] => {
    const outcome = outcomes[at];
    if (type !== 'hash' || outcome?.kind !== 'line') return [];
    return [{ at, key, names: fieldNames(outcome.line) }];
  });
  const timesByHash = await readTimes(redis, hashes);
  const again: Hash[] = [];
  for (const [index, hash] of hashes.entries()) {
    const times = timesByHash[index] ?? [];
    const refusal = times.find((reply) => 'error' in reply);
    if (refusal !== undefined && 'error' in refusal) result[hash.at] = refusedOutcome(refusal.error);
    else if (!times.every(hasNoExpiry)) again.push(hash);
  }
  for (const [index, outcome] of (await readTogether(redis, again)).entries()) {
    const hash = again[index];
    if (hash !== undefined) result[hash.at] = outcome;
  }
  return result;
}

interface Hash {
  /** Its place in the page. */
  readonly at: number;
  readonly key: Buffer;
  readonly names: readonly Text[];
}

/** Replies of HPEXPIRETIME for each hash, in as few requests as the field names allow. */
async function readTimes(redis: RedisPort, hashes: readonly Hash[]): Promise<RedisReply[][]> {
  const commands = hashes.map(({ key, names }) => timeCommands(key, names));
  const replies = await pipelineInHalves(redis, commands.flat());
  let next = 0;
  const result: RedisReply[][] = [];
  for (const own of commands) {
    const found: RedisReply[] = [];
    for (const command of own) {
      const reply = replies[next++] ?? { error: 'no reply' };
      found.push(saysTooLarge(reply) ? await readInHalves(redis, command) : reply);
    }
    result.push(found);
  }
  return result;
}

/** Splits a command whose names do not fit into a request, and joins the replies to one. */
async function readInHalves(redis: RedisPort, [name, key = '', , , ...fields]: RedisCommand): Promise<RedisReply> {
  const run = async (some: readonly RedisArgument[]): Promise<RedisReply[]> => {
    const [reply = { error: 'no reply' }] = await redis.pipeline([[name, key, 'FIELDS', some.length, ...some]]);
    if (saysTooLarge(reply)) throw tooLarge();
    return some.map((_, at) => ('error' in reply ? reply : { value: valuesOf(reply)[at] ?? null }));
  };
  const replies = await inHalves(fields, run, (): RedisReply => ({ error: TOO_LARGE_ALONE }));
  const refusal = replies.find((reply) => 'error' in reply);
  return refusal ?? { value: replies.map((reply) => ('value' in reply ? reply.value : null)) };
}

/** Reads hashes again, with value and fields' expiry of each at one moment. */
async function readTogether(redis: RedisPort, hashes: readonly Hash[]): Promise<ReadOutcome[]> {
  let open = [...hashes];
  const result = new Map<number, ReadOutcome>();
  for (let attempt = 1; open.length > 0; attempt++) {
    const alone = ({ key }: Hash): Reread => ({ outcome: { kind: 'big' }, names: [], key });
    const read = await inHalves(open, (some) => readHashes(redis, some, attempt === ATTEMPTS), alone);
    const unfinished: Hash[] = [];
    for (const [index, hash] of open.entries()) {
      const { outcome, names } = read[index] ?? alone(hash);
      if (outcome === null) unfinished.push({ ...hash, names });
      else result.set(hash.at, outcome);
    }
    open = unfinished;
  }
  return hashes.map(({ at }) => result.get(at) ?? { kind: 'gone' });
}

interface Reread {
  readonly key: Buffer;
  /** Null: the hash has fields whose expiry was not read. */
  readonly outcome: ReadOutcome | null;
  readonly names: readonly Text[];
}

async function readHashes(redis: RedisPort, hashes: readonly Hash[], isLast: boolean): Promise<Reread[]> {
  const commands = hashes.map(({ key, names }): RedisCommand[] => [['HGETALL', key], ...timeCommands(key, names)]);
  const marks = hashes.map(({ key }): RedisCommand => ['PEXPIRETIME', key]);
  const moment = await readAtOnce(redis, commands.flat(), marks);
  let next = 0;
  return hashes.map((hash, index) => {
    const replies = moment.values.slice(next, (next += commands[index]?.length ?? 0));
    return parseReread(hash, replies, moment, index, isLast);
  });
}

function parseReread(
  { key, names }: Hash,
  [value, ...replies]: readonly RedisReply[],
  { marks, steady }: Moment,
  index: number,
  isLast: boolean,
): Reread {
  const done = (outcome: ReadOutcome): Reread => ({ key, outcome, names });
  const expiry = marks[index];
  for (const reply of [value, expiry, ...replies])
    if (reply === undefined || 'error' in reply) return done(refusedOutcome(reply?.error ?? ''));
  if (value === undefined || expiry === undefined || 'error' in value || 'error' in expiry)
    return done(refusedOutcome(''));
  if (expiry.value === -2) return done({ kind: 'gone' });
  const fields = toValue('hash', asArray(value.value)) as readonly Field[];
  const times = timesOf(names, replies);
  const isNew = ([name]: Field): boolean =>
    !times.has(idOf(name)) && !names.some((known) => idOf(known) === idOf(name));
  const isWhole = steady[index] !== false && !fields.some(isNew);
  if (!isWhole && !isLast) return { key, outcome: null, names: fields.map(([name]) => name) };
  const line = lineOf({ ...lineHead(key, 'hash', parseExpiry(expiry.value)), v: fields }, times, isNew);
  if (line.isEmpty) return done({ kind: 'gone' });
  return done({ kind: 'line', line: line.line, ...(isWhole ? {} : { changed: 'fields' as const }) });
}

/** A line of a big hash with `fx` for its fields that expire, and without fields that have gone since. */
export async function withFieldExpiry(redis: RedisPort, line: RecordLine): Promise<WithFieldExpiry> {
  const names = fieldNames(line);
  const [replies = []] = await readTimes(redis, [{ at: 0, key: fromText(line.k), names }]);
  for (const reply of replies) if ('error' in reply) return refusedOutcome(reply.error);
  if (replies.every(hasNoExpiry)) return { kind: 'line', line, isEmpty: names.length === 0 };
  return { kind: 'line', ...lineOf(line, timesOf(names, replies), () => false) };
}

/** The line with the fields that exist, and the times of those that expire. */
function lineOf(
  line: RecordLine,
  times: Times,
  isKept: (field: Field) => boolean,
): { readonly line: RecordLine; readonly isEmpty: boolean } {
  const v = (line.v as readonly Field[]).filter((field) => times.has(idOf(field[0])) || isKept(field));
  const fx = v.flatMap(([name]) => {
    const time = times.get(idOf(name)) ?? null;
    return time === null ? [] : [[name, time] as const];
  });
  return { line: { ...line, v, ...(fx.length === 0 ? {} : { fx }) }, isEmpty: v.length === 0 };
}

function timeCommands(key: Buffer, names: readonly Text[]): RedisCommand[] {
  return chunksOf(names).map((some) => ['HPEXPIRETIME', key, 'FIELDS', some.length, ...some]);
}

/** Names as arguments, in chunks limited by bytes and by number; commands and replies use the same chunks. */
function chunksOf(names: readonly Text[]): RedisArgument[][] {
  const chunks: RedisArgument[][] = [];
  for (const some of byBytes(names.map(fromText), bytesOfArgument)) {
    for (let at = 0; at < some.length; at += FIELDS_PER_COMMAND) chunks.push(some.slice(at, at + FIELDS_PER_COMMAND));
  }
  return chunks;
}

/** HPEXPIRETIME returns -2 for a field that is gone and -1 for a field that does not expire. */
function timesOf(names: readonly Text[], replies: readonly RedisReply[]): Times {
  const times = new Map<string, ExpiryTime | null>();
  let next = 0;
  for (const [index, chunk] of chunksOf(names).entries()) {
    const values = valuesOf(replies[index]);
    for (const at of chunk.keys()) {
      const name = names[next++];
      const value = values[at];
      const time = parseExpiry(value);
      if (name !== undefined && (time !== null || value === -1)) times.set(idOf(name), time);
    }
  }
  return times;
}

/** Whether all fields exist and none expires. For a key that is gone the reply has fewer values. */
function hasNoExpiry(reply: RedisReply): boolean {
  const values = valuesOf(reply);
  return values.length > 0 && values.every((value) => value === -1);
}

function valuesOf(reply: RedisReply | undefined): readonly RedisValue[] {
  return reply !== undefined && 'value' in reply && Array.isArray(reply.value) ? reply.value : [];
}

function idOf(name: Text): string {
  return typeof name === 'string' ? `t${name}` : `b${name.b}`;
}

function refusedOutcome(error: string): Extract<ReadOutcome, { kind: 'moved' | 'failed' }> {
  if (error.startsWith('WRONGTYPE')) return { kind: 'moved' };
  return { kind: 'failed', reason: `expiry of its fields: ${errorKind(error)}` };
}
