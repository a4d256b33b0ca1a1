import { useCallback, useEffect, useRef } from 'preact/hooks';
import type { RunView } from '../api/types.js';
import { useDesk } from './desk.js';
import type { Feed } from './feed.js';
import { runEvery } from './pace.js';
import { isOver } from './runs.js';
import { useFeed } from './use-feed.js';

/**
 * Follows a run to its end; when it has seen that, it has all the rest read again. Returns what is known of it, how to ask at
 * once, and how often it is asked for. Null: there is no run yet.
 */
export function useRun(
  id: string | null,
): readonly [run: Feed<RunView | null>, refresh: () => void, everyMs: number | null] {
  const { api, follow, refreshAll } = useDesk();
  const load = useCallback(() => (id === null ? Promise.resolve(null) : api.run(id)), [api, id]);
  const [feed, refresh, everyMs] = useFeed<RunView | null, number | null>(load, (known) =>
    id === null || (known?.runId === id && isOver(known.state)) ? null : runEvery(known),
  );
  const sawActive = useRef<string | null>(null);
  // After a change of the id the feed still holds the run before it.
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
