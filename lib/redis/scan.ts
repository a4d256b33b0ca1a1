import { AppError } from '../errors.js';
import type { RedisArgument, RedisPort, RedisReply, RedisValue } from '../ports/redis.js';
import { isTooLarge, saysTooLarge } from './halving.js';

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
