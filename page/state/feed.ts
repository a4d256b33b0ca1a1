import type { CallError } from '../api/errors.js';

/** What is known from one call that is made again and again. Data stay when a later call fails. */
export interface Feed<T> {
  readonly data: T | null;
  /** When the data came, in milliseconds since 1970 by this machine's clock; null before. */
  readonly at: number | null;
  /** Why the last call failed; null when it did not. */
  readonly error: CallError | null;
  readonly loading: boolean;
}

export type FeedEvent<T> =
  | { readonly type: 'asked' }
  | { readonly type: 'answered'; readonly data: T; readonly at: number }
  | { readonly type: 'failed'; readonly error: CallError };

export const NOTHING: Feed<never> = { data: null, at: null, error: null, loading: false };

export function nextFeed<T>(feed: Feed<T>, event: FeedEvent<T>): Feed<T> {
  switch (event.type) {
    case 'asked':
      return { ...feed, loading: true };
    case 'answered':
      return { data: event.data, at: event.at, error: null, loading: false };
    case 'failed':
      return { ...feed, error: event.error, loading: false };
  }
}

/** Data that are older than a round and a half of asking, and a little, are not what somebody should decide by. */
export function isStale(feed: Feed<unknown>, everyMs: number, now: number): boolean {
  return feed.at !== null && now - feed.at > 1.5 * everyMs + 15_000;
}
