import { AppError } from '../../errors.js';
import type { RedisPort, Reply } from '../../ports/redis.js';
import { isFull } from '../../redis/at-once.js';
import { runOne } from '../../redis/run-one.js';
import { isMarked, sizeOf } from '../open.js';
import { SCRATCH_MARK } from '../staged.js';

/** Why a database may not be drilled in; null when it may. */
export type Objection = string | null;

/**
 * Whether a database may be filled and wiped. Decided by reading alone: by its host, and by what is in it, since one
 * database can have two names. It must be empty while the protected one is not, or bear the mark of an earlier drill that
 * the protected one does not bear. The protected one is looked at before and after: under two names of one database
 * something may be written, or deleted, between two looks.
 */
export async function objectionTo(scratch: RedisPort, primary: RedisPort): Promise<Objection> {
  if (scratch.host === primary.host) return 'the scratch database has the same host as the protected one';
  if (await isMarked(primary)) return 'the protected database bears the mark of a scratch database';
  if (await isMarked(scratch)) return null;
  const before = await sizeOf(primary);
  const size = await sizeOf(scratch);
  const after = await sizeOf(primary);
  if (size > 0) return `the scratch database holds ${size} keys and was not marked as one: empty it first`;
  return Math.min(before, after) > 0 ? null : 'both databases are empty, so that they cannot be told apart';
}

/**
 * Throws `config` when a database may not be drilled in any more. A drill asks before each phase and task: a deployment
 * in between may have put another database under the same variables. One that was wiped at the end of an attempt that died
 * is empty, and bears no mark.
 */
export async function demandScratch(scratch: RedisPort, primary: RedisPort): Promise<void> {
  const objection = await objectionTo(scratch, primary);
  if (objection === null) return;
  throw new AppError('config', `The drill cannot go on: ${objection}`, {
    hint: 'Leave DRILL_REDIS_REST_URL and what it leads to alone while a drill is in progress. Nothing more was written; drill again.',
  });
}

/**
 * Empties a scratch database and marks it, in one: whatever dies, what is in it can be told from data. False when it is so
 * full that it takes no mark: then it is empty.
 */
export async function wipeAndMark(scratch: RedisPort): Promise<boolean> {
  for (const attempt of [1, 2]) {
    try {
      demandFlushed(await scratch.transaction([['FLUSHDB'], ['SET', SCRATCH_MARK, '1']]));
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
      // A full database refuses MULTI itself; emptied, it may have room for it.
      if (attempt === 1) await wipe(scratch);
    }
  }
  return false;
}

/** What is restored into it is data: a later drill must not wipe that for a mark which one that died has left. */
export async function removeMark(redis: RedisPort): Promise<void> {
  if (!(await isMarked(redis))) return;
  if ('value' in (await runOne(redis, (sdk) => sdk.unlink(SCRATCH_MARK)))) return;
  throw new AppError(
    'redis-denied',
    `The target bears the mark of a scratch database, ${SCRATCH_MARK}, and refuses UNLINK`,
    {
      hint: 'Restore with the standard REST token of the target: with that mark the next drill would wipe it.',
    },
  );
}

/** Empties a scratch database; one that is full as well. */
export async function wipe(scratch: RedisPort): Promise<void> {
  demandFlushed([await runOne(scratch, (sdk) => sdk.flushdb())]);
}

function demandFlushed(replies: readonly Reply<unknown>[]): void {
  if (replies.every((reply) => 'value' in reply)) return;
  throw new AppError('redis-denied', 'The scratch database refuses FLUSHDB', {
    hint: 'Give DRILL_REDIS_REST_TOKEN the standard token of a database that is used for nothing else.',
  });
}
