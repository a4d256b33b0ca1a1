import { AppError } from '../../errors.js';
import type { RedisPort } from '../../ports/redis.js';
import { sizeOf } from '../open.js';
import { SCRATCH_MARK } from '../staged.js';

/** Why a database may not be drilled in; null when it may. */
export type Objection = string | null;

/**
 * Whether a database may be filled and wiped. Decided by reading alone: by its host, and by what is in it, since one
 * database can have two names. It must be empty while the protected one is not, or bear the mark of an earlier drill that
 * the protected one does not bear.
 */
export async function objectionTo(scratch: RedisPort, primary: RedisPort): Promise<Objection> {
  if (scratch.host === primary.host) return 'the scratch database has the same host as the protected one';
  const [size, own] = [await sizeOf(scratch), await sizeOf(primary)];
  if (await isMarked(primary)) return 'the protected database bears the mark of a scratch database';
  if (await isMarked(scratch)) return null;
  if (size > 0) return `the scratch database holds ${size} keys and was not marked as one: empty it first`;
  return own > 0 ? null : 'both databases are empty, so that they cannot be told apart';
}

/** Empties a scratch database and marks it, in one: whatever dies, what is in it can be told from data. */
export async function wipe(scratch: RedisPort, mark: boolean): Promise<void> {
  const marking = mark ? [['SET', SCRATCH_MARK, '1'] as const] : [];
  const replies = await scratch.transaction([['FLUSHDB'], ...marking]);
  if (replies.every((reply) => 'value' in reply)) return;
  throw new AppError('redis-denied', 'The scratch database refuses FLUSHDB', {
    hint: 'Give DRILL_REDIS_REST_TOKEN the standard token of a database that is used for nothing else.',
  });
}

async function isMarked(redis: RedisPort): Promise<boolean> {
  const [reply] = await redis.pipeline([['EXISTS', SCRATCH_MARK]]);
  return reply !== undefined && 'value' in reply && reply.value === 1;
}
