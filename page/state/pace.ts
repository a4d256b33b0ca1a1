import type { Status } from '../api/types.js';

/**
 * How often each call is made while the page is in view, in milliseconds. What is asked for costs requests to the store: a
 * page that is left open all night must stay cheap, so lists are asked for when the status shows that they may have changed.
 */
export const EVERY = {
  status: 60_000,
  snapshots: 600_000,
  projects: 600_000,
  /** A run under way in its own view: its record alone. */
  run: 5000,
  /** A run under way among others. */
  runBeside: 30_000,
  /** While it is not known whether a call has begun its run. */
  looking: 3000,
};

/** A run under way that has not got further for so long is not simply slow. */
export const STANDSTILL_MS = 20 * 60_000;

/** A plan that was made longer ago says too little of the database to be carried out. */
export const PLAN_LASTS_MS = 15 * 60_000;

/** Requests to the store that a page may cost in a minute, and those of a status but for the listing of the snapshots. */
const MOST_READS = 10;
const OTHER_READS = 6;
const LISTED_AT_A_TIME = 1000;
/** A snapshot's objects beside its parts: manifest, index of keys, verification. */
const BESIDE_PARTS = 3;

/** How often the status is asked for: where the listing takes many requests, less often than once a minute. */
export function statusEvery(status: Pick<Status, 'storage'> | null): number {
  const { parts = 0, snapshots = 0 } = status?.storage ?? {};
  const reads = OTHER_READS + Math.ceil((parts + BESIDE_PARTS * snapshots) / LISTED_AT_A_TIME);
  return EVERY.status * Math.max(1, reads / MOST_READS);
}
