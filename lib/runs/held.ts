import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import { unlockCommand } from './lease.js';
import { traitsOf } from '../run-kinds.js';
import { runsOf } from './recent.js';

/** Why a run was not started: another run holds the lease that it needs. Times in milliseconds, by the store's clock. */
export interface Held {
  readonly holder: string;
  readonly lease: string;
  /** How long ago the holder last renewed the lease. */
  readonly ageMs: number;
  /** In how long the lease can be taken, unless the holder renews it. */
  readonly waitMs: number;
}

/** Names the holder, its phase, its last renewal, when the lease can be taken, and how to end it. `replica`: `store` is the second store. */
export async function leaseHeldError(
  store: ObjectStore,
  held: Held,
  then = 'start again',
  replica = false,
): Promise<AppError> {
  const { holder, lease, ageMs, waitMs } = held;
  const [run] = await runsOf(store, [holder]).catch(() => []);
  const who = run === undefined ? holder : `run ${holder}, a ${traitsOf(run.kind).title} (${run.phase})`;
  const end =
    run === undefined
      ? `\`${unlockCommand(lease, replica)}\``
      : `\`npx soulcaster-backup cancel ${holder}${replica ? ' --replica' : ''} --env-file .env\`, or \`${unlockCommand(lease, replica)}\` if nothing works on it`;
  return new AppError('locked', `The lease ${lease} is held by ${who}, last renewed ${seconds(ageMs)} ago`, {
    hint: `Wait until it is over, then ${then}; if the lease is not renewed, it can be taken in ${seconds(waitMs)}. To end it now: ${end}.`,
    retryAfterMs: waitMs,
  });
}

function seconds(ms: number): string {
  return ms < 120_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.ceil(ms / 60_000)} min`;
}
