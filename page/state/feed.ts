import type { CallError } from '../api/errors.js';

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
