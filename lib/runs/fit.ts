import { AppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { leaseObject, readLease } from './lease-document.js';
import type { RunDefinition, RunRecord } from './model.js';
import { recentRuns } from './recent.js';
import { ageOf } from './store-time.js';
import { resumeTime } from './waiting.js';

/** A run of which nothing was heard for so long, in milliseconds, is never resumed: an old record put back starts nothing. */
const FORGOTTEN_MS = 24 * 3_600_000;

/** Runs that are read where a lease says nothing. */
const RUNS_READ = 50;

/**
 * Whether nothing was heard of a run for more than a day: neither by its record nor, by the store's clock, by its lease.
 * A run that waits counts from the time when it is to be woken.
 */
async function isForgotten({ clock, store }: Pick<Ports, 'clock' | 'store'>, run: RunRecord): Promise<boolean> {
  const sign = Math.max(Date.parse(run.updatedAt), resumeTime(run));
  if (clock.now() - sign < FORGOTTEN_MS) return false;
  const { document } = await readLease(store, run.lease);
  if (document?.holder !== run.id) return true;
  const age = await ageOf(store, leaseObject(run.lease));
  return age === null || age >= FORGOTTEN_MS;
}

/** Whether a run was started for the database that is protected here, as far as either is known. */
export function isOfSource(run: Pick<RunRecord, 'source'>, own: string | null): boolean {
  return run.source === null || own === null || run.source === own;
}

/**
 * What keeps a run from being moved on by anybody here; null when nothing does. `own`: the source of the database that is
 * protected here; null where there is none.
 */
export async function whyNotResumed(
  ports: Pick<Ports, 'clock' | 'store'>,
  run: RunRecord,
  own: string | null,
): Promise<AppError | null> {
  if (!isOfSource(run, own)) return ofAnother(run);
  if (run.hidden === true) return unreadable(run);
  if (!(await stillHolds(ports, run))) return replaced(run);
  return (await isForgotten(ports, run)) ? forgotten(run) : null;
}

/**
 * A run continues only with the lease that it was started with: once that was ended, or has been another run's, what the run
 * knows of the database is of a time before. One that cannot be read says nothing; then a later run with the same lease does.
 */
async function stillHolds({ store }: Pick<Ports, 'store'>, run: RunRecord): Promise<boolean> {
  const { document } = await readLease(store, run.lease);
  if (document !== null) return document.holder === run.id;
  const others = await recentRuns(store, { since: 0, limit: RUNS_READ });
  return !others.some(({ id, lease, fence }) => id !== run.id && lease === run.lease && fence > run.fence);
}

function replaced({ id, lease }: RunRecord): AppError {
  return new AppError('abandoned', `Run ${id} no longer has its lease ${lease}: it was ended, or is another run's`, {
    hint: 'It is not resumed, since what it found then may no longer be so. Start it again if its work is still wanted.',
  });
}

function ofAnother({ id }: RunRecord): AppError {
  return new AppError('abandoned', `Run ${id} was started for another database than the one that is protected here`, {
    hint: 'It is not resumed here. Resume or cancel it where UPSTASH_REDIS_REST_URL names its database, or start it again.',
  });
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
  return new AppError('abandoned', `Run ${id} was last heard of at ${updatedAt}, more than a day ago`, {
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
