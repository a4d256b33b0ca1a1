import { z } from 'zod';
import { AppError } from '../errors.js';
import type { RedisArgument, RedisPort, RedisReply, RedisValue } from '../ports/redis.js';
import { isTooLarge, saysTooLarge } from './halving.js';
import { runOne } from './run-one.js';
import { hashSet } from './key-sets.js';

/** One reply of SCAN. */
export interface ScanReply {
  /** The cursor of this request. */
  readonly from: string;
  /** Where SCAN continues; null at the end. */
  readonly next: string | null;
  /** Names, or names and types in turn with WITHTYPE. */
  readonly items: readonly RedisValue[];
}

/** A lowered COUNT is raised again after this many replies within the size limit. */
const REPLIES_UNTIL_RAISED = 8;

/**
 * Runs SCAN from a cursor to the end with a COUNT of `count()`, or less where a reply would be over the size limit. SCAN may
 * return a key twice and give empty pages; only cursor 0 ends it (Redis documentation, SCAN guarantees). Throws
 * `redis-denied` when SCAN is refused, `redis-reply-too-large` when a reply is too large even with COUNT 1.
 */
export async function* scanReplies(
  redis: RedisPort,
  cursor: string,
  count: () => number,
  options: readonly RedisArgument[] = ['WITHTYPE'],
): AsyncGenerator<ScanReply> {
  let most = Infinity;
  let fitted = 0;
  for (let from: string | null = cursor; from !== null;) {
    const requested = Math.max(1, Math.floor(Math.min(most, count())));
    const found = await scanOnce(redis, from, requested, options);
    if (found === null) {
      if (requested === 1) throw smallestTooLarge();
      most = Math.max(1, Math.floor(requested / 4));
      fitted = 0;
      continue;
    }
    if (++fitted % REPLIES_UNTIL_RAISED === 0) most *= 2;
    yield found;
    from = found.next;
  }
}

/** Null when the reply is over the size limit. */
async function scanOnce(
  redis: RedisPort,
  from: string,
  count: number,
  options: readonly RedisArgument[],
): Promise<ScanReply | null> {
  try {
    const [reply] = await redis.pipeline([['SCAN', from, 'COUNT', count, ...options]]);
    if (saysTooLarge(reply)) return null;
    const [next, items] = listIn(valueOf(reply));
    const cursor = Buffer.isBuffer(next) ? next.toString('latin1') : String(next);
    return { from, next: cursor === '0' ? null : cursor, items: listIn(items) };
  } catch (error) {
    if (isTooLarge(error)) return null;
    throw error;
  }
}

function valueOf(reply: RedisReply | undefined): RedisValue {
  if (reply !== undefined && 'value' in reply) return reply.value;
  throw new AppError('redis-denied', 'The database refuses SCAN', {
    hint: 'Use the standard REST token: Upstash does not let a read-only token SCAN. For an ACL user see docs/operations.md.',
  });
}

function listIn(value: RedisValue | undefined): readonly RedisValue[] {
  if (Array.isArray(value)) return value;
  throw new AppError('redis-unavailable', 'Redis answered SCAN with something other than keys', {
    hint: 'Check UPSTASH_REDIS_REST_URL: a proxy in between may change answers.',
    transient: true,
  });
}

function smallestTooLarge(): AppError {
  return new AppError('redis-reply-too-large', 'A reply of SCAN is over the size limit even with COUNT 1', {
    hint: 'The names of a few keys are larger than one reply of the plan. Upgrade the plan, or remove or rename these keys.',
  });
}

/** What a server reports about itself at one moment. A figure that it does not report is null. */
export const serverMarkSchema = z.object({
  /** Changes with every start of the server process; a replica has another. */
  runId: z.string().nullable(),
  /** DBSIZE. Counts expired keys until the server removes them. */
  keys: z.number(),
  /** Keys of this database that have an expiry. */
  expires: z.number().nullable(),
  /** Keys that expired since the server was started, in all databases. */
  expired: z.number().nullable(),
});
export type ServerMark = z.infer<typeof serverMarkSchema>;

/** Costs two commands. Throws `redis-denied` when the server refuses DBSIZE. */
export async function readServerMark(redis: RedisPort): Promise<ServerMark> {
  const [size, info] = await redis.pipeline([['DBSIZE'], ['INFO']]);
  if (size === undefined || 'error' in size) {
    throw new AppError('redis-denied', 'The database refuses DBSIZE', {
      hint: 'DBSIZE is needed to check that all keys were read. Allow the token to use it; see docs/operations.md.',
    });
  }
  const keys = Number(size.value);
  const text =
    info !== undefined && 'value' in info && Buffer.isBuffer(info.value) ? info.value.toString('latin1') : '';
  return {
    runId: runIdIn(text),
    keys,
    expires: expiresIn(text, keys),
    expired: numberIn(text, /^expired_keys:(\d+)/m),
  };
}

/** Reads only the `runId` of a server mark; costs one command. */
export async function runIdOf(redis: RedisPort): Promise<string | null> {
  const info = await runOne(redis, (sdk) => sdk.exec<string>(['INFO', 'server']));
  return 'value' in info ? runIdIn(info.value) : null;
}

function runIdIn(info: string): string | null {
  return /^run_id:(\w+)/m.exec(info)?.[1] ?? null;
}

/**
 * Whether SCAN's guarantee held from one mark to the other: a cursor is invalid after a restart of the server, or on another
 * server. Null when the server does not report its `run_id`.
 */
export function isSameServer(before: ServerMark, after: ServerMark): boolean | null {
  return before.runId === null || after.runId === null ? null : before.runId === after.runId;
}

/** INFO lists every database without saying which is ours: of several, ours is the one with our size, if only one has it. */
function expiresIn(info: string, keys: number): number | null {
  const lines = [...info.matchAll(/^db\d+:keys=(\d+),expires=(\d+)/gm)];
  if (lines.length === 0) return keys === 0 && /^# keyspace/im.test(info) ? 0 : null;
  const ours = lines.length === 1 ? lines : lines.filter(([, size]) => Number(size) === keys);
  return ours.length === 1 ? Number(ours[0]?.[2]) : null;
}

function numberIn(info: string, pattern: RegExp): number | null {
  const found = pattern.exec(info)?.[1];
  return found === undefined ? null : Number(found);
}

export const walkStateSchema = z.object({
  /** The server mark at the start of the walk; null before the start. */
  mark: serverMarkSchema.nullable(),
  /** Earlier walks that may have missed names. */
  repeats: z.number().int(),
});
/** A walk over all names that may have to be repeated. */
export type WalkState = z.infer<typeof walkStateSchema>;

export const NEW_WALK: WalkState = { mark: null, repeats: 0 };

/** The walk fails when the server restarted during this many walks in a row and one more. */
const MOST_REPEATS = 5;

export async function beginWalk(redis: RedisPort, state: WalkState): Promise<WalkState> {
  return state.mark === null ? { ...state, mark: await readServerMark(redis) } : state;
}

/**
 * Counts the names of a walk for `walkAgain`. Where the server does not report its `run_id`, a name that SCAN repeats
 * counts once within an attempt: otherwise repeats would hide names that SCAN missed because of a restart.
 */
export function nameCounter({ mark }: WalkState): (names: readonly Buffer[]) => number {
  if (mark === null || mark.runId !== null) return (names) => names.length;
  const seen = hashSet();
  return (names) => names.filter((name) => seen.add(name)).length;
}

/**
 * Checks that a finished walk saw every key that existed throughout: null if it did, else the state of the walk that
 * repeats it. Where the server does not report its `run_id`, `named` (by `nameCounter`) is compared with DBSIZE.
 * Throws `redis-unavailable` (transient) when the server changed during each of several walks in a row.
 */
export async function walkAgain(
  redis: RedisPort,
  { mark, repeats }: WalkState,
  named: number,
): Promise<WalkState | null> {
  if (mark === null) return null;
  const after = await readServerMark(redis);
  const same = isSameServer(mark, after);
  if (same === true) return null;
  if (same === null && (repeats >= MOST_REPEATS || named >= Math.min(mark.keys, after.keys))) return null;
  if (repeats < MOST_REPEATS) return { mark: after, repeats: repeats + 1 };
  throw new AppError(
    'redis-unavailable',
    `The database was restarted during each of ${repeats + 1} walks over its keys`,
    {
      hint: 'Find out why its server keeps restarting or failing over; the run continues when it stays up.',
      transient: true,
    },
  );
}
