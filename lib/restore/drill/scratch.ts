import { AppError } from '../../errors.js';
import type { RedisPort, Reply } from '../../ports/redis.js';
import { isFull } from '../../redis/at-once.js';
import { runOne } from '../../redis/run-one.js';
import { isMarked, sizeOf } from '../open.js';
import { SCRATCH_MARK } from '../staged.js';

/** Why a database may not be used for a drill; null when it may. */
type Objection = string | null;

/**
 * Whether a database may be filled and wiped, decided with reads only: by its host and by its content, since one
 * database can have two names. It must be empty while the protected one is not, or have the mark of an earlier drill
 * that the protected one does not have. The protected one is read before and after: if both are one database, keys may
 * be written or deleted between two reads.
 */
export async function objectionTo(scratch: RedisPort, primary: RedisPort): Promise<Objection> {
  if (scratch.host === primary.host) return 'the scratch database has the same host as the protected one';
  if (await isMarked(primary)) return 'the protected database has the mark of a scratch database';
  if (await isMarked(scratch)) return null;
  const before = await sizeOf(primary);
  const size = await sizeOf(scratch);
  const after = await sizeOf(primary);
  if (size > 0)
    return `the scratch database holds ${size} keys and is not marked as a scratch database: empty it first`;
  return Math.min(before, after) > 0 ? null : 'both databases are empty, so they cannot be told apart';
}

/**
 * Throws `config` when a database may no longer be used for the drill. Checked before each phase and task: a deployment
 * in between may have pointed the same variables to another database. One that was wiped at the end of an attempt that
 * died is empty and has no mark.
 */
export async function assertScratch(scratch: RedisPort, primary: RedisPort): Promise<void> {
  const objection = await objectionTo(scratch, primary);
  if (objection === null) return;
  throw new AppError('config', `The drill cannot continue: ${objection}`, {
    hint: 'Do not change DRILL_REDIS_REST_URL or its database while a drill is in progress. Nothing more was written; drill again.',
  });
}

/**
 * Empties and marks a scratch database in one transaction: whatever dies, its content is not taken for data. False when
 * it is empty and still too full for the mark.
 */
export async function wipeAndMark(scratch: RedisPort): Promise<boolean> {
  for (const attempt of [1, 2]) {
    try {
      assertFlushed(await scratch.transaction([['FLUSHDB'], ['SET', SCRATCH_MARK, '1']]));
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
      // A full database refuses MULTI itself; once emptied, it may have room for it.
      if (attempt === 1) await wipe(scratch);
    }
  }
  return false;
}

/** Removes the mark before a restore: a later drill must not wipe restored data because of a mark that a dead drill left. */
export async function removeMark(redis: RedisPort): Promise<void> {
  if (!(await isMarked(redis))) return;
  if ('value' in (await runOne(redis, (sdk) => sdk.unlink(SCRATCH_MARK)))) return;
  throw new AppError(
    'redis-denied',
    `The target has the mark of a scratch database, ${SCRATCH_MARK}, and refuses UNLINK`,
    {
      hint: 'Restore with the standard REST token of the target: with this mark the next drill would wipe it.',
    },
  );
}

/** Empties a scratch database, even a full one. */
export async function wipe(scratch: RedisPort): Promise<void> {
  assertFlushed([await runOne(scratch, (sdk) => sdk.flushdb())]);
}

function assertFlushed(replies: readonly Reply<unknown>[]): void {
  if (replies.every((reply) => 'value' in reply)) return;
  throw new AppError('redis-denied', 'The scratch database refuses FLUSHDB', {
    hint: 'Set DRILL_REDIS_REST_TOKEN to the standard token of a database that is used for nothing else.',
  });
}
