import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import { CallError } from '../api/errors.js';
import { reduceFeed, NOTHING, type Feed, type FeedEvent } from './feed.js';

type Reducer<T> = (feed: Feed<T>, event: FeedEvent<T>) => Feed<T>;

interface Round<T> {
  load: () => Promise<T>;
  busy: boolean;
  again: boolean;
  alive: boolean;
}

/**
 * Loads now, then every `every` milliseconds (a number, or a function of the last answer; null: not again), and when the page
 * becomes visible or the network returns; not while the page is hidden. One call runs at a time; a refresh during a call
 * causes one more.
 */
export function useFeed<T, E extends number | null>(
  load: () => Promise<T>,
  every: E | ((data: T | null) => E),
): readonly [feed: Feed<T>, refresh: () => void, everyMs: E] {
  const [feed, dispatch] = useReducer<Feed<T>, FeedEvent<T>>(reduceFeed as Reducer<T>, NOTHING);
  const round = useRef<Round<T>>({ load, busy: false, again: false, alive: true });

  // Computed when an answer arrives: whether data are stale depends on the interval that applied to them.
  const everyMs = useMemo(
    () => (typeof every === 'function' ? every(feed.data) : every),
    [feed.data, load, typeof every === 'function' || every],
  );

  const refresh = useCallback(() => {
    const state = round.current;
    state.load = load;
    state.again = true;
    if (!state.busy) void pollWhileWanted(state, dispatch);
  }, [load]);

  useEffect(() => {
    const state = round.current;
    state.alive = true;
    refresh();
    return () => {
      state.alive = false;
    };
  }, [refresh]);

  useEffect(() => {
    if (everyMs === null) return undefined;
    const refreshIfVisible = (): void => {
      if (!document.hidden) refresh();
    };
    const timer = setInterval(refreshIfVisible, everyMs);
    document.addEventListener('visibilitychange', refreshIfVisible);
    window.addEventListener('online', refreshIfVisible);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', refreshIfVisible);
      window.removeEventListener('online', refreshIfVisible);
    };
  }, [refresh, everyMs]);

  return [feed, refresh, everyMs];
}

async function pollWhileWanted<T>(state: Round<T>, dispatch: (event: FeedEvent<T>) => void): Promise<void> {
  state.busy = true;
  // Both change during the await.
  const isAlive = (): boolean => state.alive;
  const wanted = (): boolean => state.again && state.alive;
  while (wanted()) {
    state.again = false;
    dispatch({ type: 'loading' });
    const event = await state.load().then(
      (data): FeedEvent<T> => ({ type: 'answered', data, at: Date.now() }),
      (error: unknown): FeedEvent<T> => ({ type: 'failed', error: asCallError(error) }),
    );
    if (isAlive()) dispatch(event);
  }
  state.busy = false;
}

export function asCallError(error: unknown): CallError {
  if (error instanceof CallError) return error;
  return new CallError('internal', 'The page could not read the answer', 'Reload the page.', 0);
}

/** This machine's time, in milliseconds since 1970, updated every `everyMs`. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
