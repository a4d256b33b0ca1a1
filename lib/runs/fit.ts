import { AppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { leaseObject, readLease, ageOf } from './lease-document.js';
import type { RunDefinition, RunRecord } from './model.js';
import { recentRuns } from './recent.js';
import { resumeTime } from './waiting.js';

/** A run without a sign of life for this long is never resumed, so that an old record put back into the store starts nothing. */
const MAX_SILENCE_MS = 24 * 3_600_000;

/** How many runs are read when the lease is missing or unreadable. */
const RUNS_READ = 50;

/**
 * Whether neither the record nor the lease (by the store's clock) was written for more than a day. A waiting run counts
 * from the time at which it is to be woken.
 */
async function isTooOld({ clock, store }: Pick<Ports, 'clock' | 'store'>, run: RunRecord): Promise<boolean> {
  const sign = Math.max(Date.parse(run.updatedAt), resumeTime(run));
  if (clock.now() - sign < MAX_SILENCE_MS) return false;
  const { document } = await readLease(store, run.lease);
  if (document?.holder !== run.id) return true;
  const age = await ageOf(store, leaseObject(run.lease));
  return age === null || age >= MAX_SILENCE_MS;
}

/** Whether a run was started for the database that is protected here; true when either source is unknown. */
export function isFromSource(run: Pick<RunRecord, 'source'>, own: string | null): boolean {
  return run.source === null || own === null || run.source === own;
}

/**
 * Why this deployment may not continue a run; null if it may. `own`: the source of the database that is protected here;
 * null where there is none.
 */
export async function findResumeObstacle(
  ports: Pick<Ports, 'clock' | 'store'>,
  run: RunRecord,
  own: string | null,
): Promise<AppError | null> {
  if (!isFromSource(run, own)) return otherDatabaseError(run);
  if (run.hidden === true) return wrongKeyError(run);
  if (!(await holdsItsLease(ports, run)))
    return new AppError(
      'abandoned',
      `Run ${run.id} no longer has its lease ${run.lease}: the lease was ended, or another run took it`,
      {
        hint: 'It is not resumed, because its checkpoint may be out of date. Start it again if its work is still wanted.',
      },
    );
  return (await isTooOld(ports, run))
    ? new AppError('abandoned', `Run ${run.id} gave its last sign of life at ${run.updatedAt}, more than a day ago`, {
        hint: 'It is not resumed, because its checkpoint may be out of date. Start it again.',
      })
    : null;
}

/**
 * A run continues only with the lease that it was started with: once the lease was ended or held by another run, the database
 * may have changed since the checkpoint. If the lease cannot be read, a later run with the same lease means it was lost.
 */
async function holdsItsLease({ store }: Pick<Ports, 'store'>, run: RunRecord): Promise<boolean> {
  const { document } = await readLease(store, run.lease);
  if (document !== null) return document.holder === run.id;
  const others = await recentRuns(store, { since: 0, limit: RUNS_READ });
  return !others.some(({ id, lease, fence }) => id !== run.id && lease === run.lease && fence > run.fence);
}

function otherDatabaseError({ id }: RunRecord): AppError {
  return new AppError('abandoned', `Run ${id} was started for another database than the one that is protected here`, {
    hint: 'It is not resumed here. Resume or cancel it in the deployment whose UPSTASH_REDIS_REST_URL names its database, or start it again.',
  });
}

function wrongKeyError({ id }: RunRecord): AppError {
  return new AppError('wrong-key', `The details of run ${id} are encrypted with another key, so it is not resumed`, {
    hint: 'BACKUP_SIGNING_KEY (or UPSTASH_REDIS_REST_TOKEN, if no signing key is set) has changed since the run was started. Start it again.',
  });
}

/** An error if this definition cannot have written the record; else null. */
export function findMismatch(run: RunRecord, definition: RunDefinition): AppError | null {
  const isLease = run.lease === definition.lease || definition.takesLease?.(run.lease) === true;
  const what = !isLease
    ? `names the lease ${run.lease}`
    : definition.phases[run.phase] === undefined
      ? `is in a phase ${run.phase}`
      : null;
  if (what === null) return null;
  return new AppError('damaged', `The record of run ${run.id} ${what}, which no ${definition.kind} run has`, {
    hint: 'Another version wrote it, or it was altered. Start a new run.',
  });
}
