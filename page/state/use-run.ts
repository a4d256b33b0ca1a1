import { useCallback, useEffect, useRef } from 'preact/hooks';
import type { RunView } from '../api/types.js';
import { useAppState } from './app-state.js';
import type { Feed } from './feed.js';
import { runEvery } from './pace.js';
import { isOver } from './runs.js';
import { useFeed } from './use-feed.js';

/**
 * Polls a run until it ends, and then refreshes status, snapshots and projects. A null id means that there is no run yet.
 */
export function useRun(
  id: string | null,
): readonly [run: Feed<RunView | null>, refresh: () => void, everyMs: number | null] {
  const { api, follow, refreshAll } = useAppState();
  const load = useCallback(() => (id === null ? Promise.resolve(null) : api.run(id)), [api, id]);
  const [feed, refresh, everyMs] = useFeed<RunView | null, number | null>(load, (known) =>
    id === null || (known?.runId === id && isOver(known.state)) ? null : runEvery(known),
  );
  const sawActive = useRef<string | null>(null);
  // After a change of the id the feed still holds the previous run.
  const run = feed.data !== null && feed.data.runId === id ? feed.data : null;
  const isActive = run !== null && !isOver(run.state);
  if (isActive) sawActive.current = run.runId;
  const isEnd = run !== null && !isActive;
  useEffect(() => (isActive ? follow() : undefined), [isActive, follow]);
  useEffect(() => {
    if (isEnd && sawActive.current === id) refreshAll();
  }, [isEnd, id, refreshAll]);
  return [{ ...feed, data: run }, refresh, everyMs];
}
