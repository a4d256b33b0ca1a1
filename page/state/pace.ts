import type { RunView, Status } from '../api/types.js';
import { isOver } from './runs.js';

const MINUTE_MS = 60_000;

/**
 * Polling intervals while the page is visible, in milliseconds. Polling costs requests to the store, and a page that is left
 * open all night must stay cheap: lists are loaded when the status shows that they may have changed.
 */
export const EVERY = {
  status: MINUTE_MS,
  snapshots: 30 * MINUTE_MS,
  projects: 30 * MINUTE_MS,
  /** The record of an active run in its view. */
  run: 10_000,
  /** The runs, while it is not known whether a call has started one. */
  searching: 3000,
};

/** An older plan may not match the database any more, and must be made again. */
export const PLAN_LASTS_MS = 15 * 60_000;

/** Requests to the store that an open page may cost per minute, without the lists. */
const MOST_READS = 9;
/** The same while a run is followed: timers that coincide occasionally cost one more. */
const MOST_BESIDE_RUN = 8.5;
/** Requests of a status without the listing of snapshots, and additional requests for each active run. */
const STATUS_READS = 5;
const RUN_READS = 4;
const LISTED_AT_A_TIME = 1000;
/** A snapshot's objects beside its parts: manifest, index of keys, verification. */
const BESIDE_PARTS = 3;

/**
 * The polling interval of the status, in milliseconds: longer than a minute when a status takes many requests, or while a run
 * is followed.
 */
export function statusEvery(status: Pick<Status, 'storage' | 'runs'> | null, isFollowing = false): number {
  const { parts = 0, snapshots = 0 } = status?.storage ?? {};
  const live = status?.runs.filter(({ state }) => !isOver(state)).length ?? 0;
  const reads = STATUS_READS + pages(parts + BESIDE_PARTS * snapshots) + RUN_READS * live;
  const most = isFollowing ? MOST_BESIDE_RUN - MINUTE_MS / EVERY.run : MOST_READS;
  return EVERY.status * Math.max(1, reads / most);
}

/** The polling interval of an active run, in milliseconds. A call reads its record and, with tasks, lists the completed ones. */
export function runEvery(run: Pick<RunView, 'tasks'> | null): number {
  return EVERY.run * (1 + pages(run?.tasks ?? 0));
}

function pages(objects: number): number {
  return Math.ceil(objects / LISTED_AT_A_TIME);
}
