import { AppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { leaseObject, readLease } from './lease-document.js';
import type { RunDefinition, RunRecord } from './model.js';
import { ageOf } from './store-time.js';

/** A run of which nothing was heard for so long, in milliseconds, is never resumed: an old record put back starts nothing. */
export const FORGOTTEN_MS = 24 * 3_600_000;

/**
 * Whether nothing was heard of a run for more than a day: neither by its record nor, by the store's clock, by its lease.
 * A run that waits counts from the time when it is to be woken.
 */
async function isForgotten({ clock, store }: Pick<Ports, 'clock' | 'store'>, run: RunRecord): Promise<boolean> {
  const sign = Math.max(Date.parse(run.updatedAt), Date.parse(run.resumeAt ?? '') || 0);
  if (clock.now() - sign < FORGOTTEN_MS) return false;
  const { document } = await readLease(store, run.lease);
  if (document?.holder !== run.id) return true;
  const age = await ageOf(store, leaseObject(run.lease));
  return age === null || age >= FORGOTTEN_MS;
}

/** What keeps a run from being moved on by anybody here; null when nothing does. */
export async function whyNotResumed(ports: Pick<Ports, 'clock' | 'store'>, run: RunRecord): Promise<AppError | null> {
  if (run.hidden === true) return unreadable(run);
  return (await isForgotten(ports, run)) ? forgotten(run) : null;
}

function unreadable({ id }: RunRecord): AppError {
  return new AppError(
    'wrong-key',
    `The details of run ${id} are encrypted with another key, so that it is not resumed`,
    {
      hint: 'BACKUP_SIGNING_KEY or, where none is set, UPSTASH_REDIS_REST_TOKEN is not the one that the run was started with. Start it again.',
    },
  );
}

function forgotten({ id, updatedAt }: RunRecord): AppError {
  return new AppError('interrupted', `Run ${id} was last heard of at ${updatedAt}, more than a day ago`, {
    hint: 'It is not resumed, since what it found then may no longer be so. Start it again.',
  });
}

/** What keeps a record from being one that this definition can have written; null when nothing does. */
export function objectionTo(run: RunRecord, definition: RunDefinition): AppError | null {
  const isLease = run.lease === definition.lease || definition.takesLease?.(run.lease) === true;
  const what = !isLease
    ? `names the lease ${run.lease}`
    : definition.phases[run.phase] === undefined
      ? `is in a phase ${run.phase}`
      : null;
  if (what === null) return null;
  return new AppError('damaged', `The record of run ${run.id} ${what}, which no ${definition.kind} has`, {
    hint: 'It was written by another version, or altered. Start a new run.',
  });
}
