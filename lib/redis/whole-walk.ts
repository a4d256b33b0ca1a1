import { z } from 'zod';
import { AppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';
import { hashSet } from '../snapshot/hash-set.js';
import { markServer, sameServer, serverMarkSchema } from './server-mark.js';

export const walkStateSchema = z.object({
  /** What the server said when the walk began; null before. */
  mark: serverMarkSchema.nullable(),
  /** Walks before this one that proved nothing. */
  repeats: z.number().int(),
});
/** A walk over all names that may have to be made again. */
export type WalkState = z.infer<typeof walkStateSchema>;

export const NEW_WALK: WalkState = { mark: null, repeats: 0 };

/** A server that is started again more often than so under one walk after the other is not fit to be walked. */
const MOST_REPEATS = 5;

export async function beginWalk(redis: RedisPort, state: WalkState): Promise<WalkState> {
  return state.mark === null ? { ...state, mark: await markServer(redis) } : state;
}

/**
 * Counts the names of a walk for `walkAgain`. Where the server does not tell whether it is the same, a name that SCAN
 * repeats counts once within an attempt: repeats would make up for names that a restart passed over.
 */
export function nameCounter({ mark }: WalkState): (names: readonly Buffer[]) => number {
  if (mark === null || mark.runId !== null) return (names) => names.length;
  const seen = hashSet();
  return (names) => names.filter((name) => seen.add(name)).length;
}

/**
 * Whether a walk that has come round saw every key that was there all the while: null if it did, else the state to walk
 * once more with. Where the server does not tell whether it is the same, `named` (by `nameCounter`)
 * is held against DBSIZE. Throws `redis-unavailable` (transient) when the server changed under one walk after the other.
 */
export async function walkAgain(
  redis: RedisPort,
  { mark, repeats }: WalkState,
  named: number,
): Promise<WalkState | null> {
  if (mark === null) return null;
  const after = await markServer(redis);
  const same = sameServer(mark, after);
  if (same === true) return null;
  if (same === null && (repeats >= MOST_REPEATS || named >= Math.min(mark.keys, after.keys))) return null;
  if (repeats < MOST_REPEATS) return { mark: after, repeats: repeats + 1 };
  throw new AppError(
    'redis-unavailable',
    `The database was restarted under each of ${repeats + 1} walks over its keys`,
    {
      hint: 'Find out why its server keeps restarting or failing over; the run continues when it stays up.',
      transient: true,
    },
  );
}
