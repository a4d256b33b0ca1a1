import type { CallError } from '../api/errors.js';
import type { RunView, Status } from '../api/types.js';
import { isOver } from '../words/runs.js';

/** The state of a polled call. Its data stay when a later call fails. */
export interface Feed<T> {
  readonly data: T | null;
  /** When the data arrived, in milliseconds since 1970 by this machine's clock; null until then. */
  readonly at: number | null;
  /** Why the last call failed; null when it did not. */
  readonly error: CallError | null;
  readonly loading: boolean;
}

export type FeedEvent<T> =
  | { readonly type: 'loading' }
  | { readonly type: 'answered'; readonly data: T; readonly at: number }
  | { readonly type: 'failed'; readonly error: CallError };

export const NOTHING: Feed<never> = { data: null, at: null, error: null, loading: false };

export function reduceFeed<T>(feed: Feed<T>, event: FeedEvent<T>): Feed<T> {
  switch (event.type) {
    case 'loading':
      return { ...feed, loading: true };
    case 'answered':
      return { data: event.data, at: event.at, error: null, loading: false };
    case 'failed':
      return { ...feed, error: event.error, loading: false };
  }
}

/** Whether the data are too old to act on: older than one and a half polling intervals and 15 seconds. */
export function isStale(feed: Feed<unknown>, everyMs: number, now: number): boolean {
  return feed.at !== null && now - feed.at > 1.5 * everyMs + 15_000;
}

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
