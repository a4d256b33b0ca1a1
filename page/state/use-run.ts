import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { RunView } from '../api/types.js';
import { useDesk } from './desk.js';
import type { Feed } from './feed.js';
import { EVERY } from './pace.js';
import { isOver } from './runs.js';
import { useFeed } from './use-feed.js';

/** Follows a run to its end; when it has seen that, it has all the rest read again. Null: there is no run yet. */
export function useRun(id: string | null, everyMs = EVERY.run): readonly [Feed<RunView | null>, () => void] {
  const { api, refreshAll } = useDesk();
  const [over, setOver] = useState<string | null>(null);
  const load = useCallback(() => (id === null ? Promise.resolve(null) : api.run(id)), [api, id]);
  const [feed, refresh] = useFeed<RunView | null>(load, id === null || over === id ? null : everyMs);
  const sawActive = useRef<string | null>(null);
  // After a change of the id the feed still holds the run before it.
  const run = feed.data !== null && feed.data.runId === id ? feed.data : null;
  if (run !== null && !isOver(run.state)) sawActive.current = run.runId;
  const isEnd = run !== null && isOver(run.state);
  useEffect(() => {
    if (!isEnd) return;
    setOver(id);
    if (sawActive.current === id) refreshAll();
  }, [isEnd, id, refreshAll]);
  return [{ ...feed, data: run }, refresh];
}
