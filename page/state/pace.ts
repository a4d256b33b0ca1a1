import type { RunView, Status } from '../api/types.js';
import { isOver } from './runs.js';

const MINUTE_MS = 60_000;

/**
 * How often each call is made while the page is in view, in milliseconds. What is asked for costs requests to the store: a
 * page that is left open all night must stay cheap, so lists are asked for when the status shows that they may have changed.
 */
export const EVERY = {
  status: MINUTE_MS,
  snapshots: 30 * MINUTE_MS,
  projects: 30 * MINUTE_MS,
  /** A run under way in its own view: its record alone. */
  run: 10_000,
  /** While it is not known whether a call has begun its run. */
  looking: 3000,
};

/** A plan that was made longer ago says too little of the database to be carried out. */
export const PLAN_LASTS_MS = 15 * 60_000;

/** Requests to the store that a page may cost in a minute, but for the lists that it asks for now and then. */
const MOST_READS = 9;
/** The same beside a run that is followed: timers that fall together cost one more now and then. */
const MOST_BESIDE_RUN = 8.5;
/** Those of a status but for the listing of the snapshots, and what each run that is under way adds. */
const STATUS_READS = 5;
const RUN_READS = 4;
const LISTED_AT_A_TIME = 1000;
/** A snapshot's objects beside its parts: manifest, index of keys, verification. */
const BESIDE_PARTS = 3;

/**
 * How often the status is asked for, in milliseconds: less often than once a minute where it takes many requests, or where a
 * run is followed meanwhile.
 */
export function statusEvery(status: Pick<Status, 'storage' | 'runs'> | null, isFollowing = false): number {
  const { parts = 0, snapshots = 0 } = status?.storage ?? {};
  const live = status?.runs.filter(({ state }) => !isOver(state)).length ?? 0;
  const reads = STATUS_READS + pages(parts + BESIDE_PARTS * snapshots) + RUN_READS * live;
  const most = isFollowing ? MOST_BESIDE_RUN - MINUTE_MS / EVERY.run : MOST_READS;
  return EVERY.status * Math.max(1, reads / most);
}

/** How often a run under way is asked for in its view, in milliseconds: its record, and where it has tasks a listing of those that are done. */
export function runEvery(run: Pick<RunView, 'tasks'> | null): number {
  return EVERY.run * (1 + pages(run?.tasks ?? 0));
}

function pages(objects: number): number {
  return Math.ceil(objects / LISTED_AT_A_TIME);
}
