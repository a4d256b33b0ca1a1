import { z } from 'zod';
import { AppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';
import { hashSet } from '../snapshot/hash-set.js';
import { readServerMark, isSameServer, serverMarkSchema } from './server-mark.js';

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
