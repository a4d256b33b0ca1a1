import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { RunView } from '../api/types.js';
import { useDesk } from './desk.js';
import type { Feed } from './feed.js';
import { isOver } from './runs.js';
import { useFeed } from './use-feed.js';

const EVERY_MS = 1000;

/** Follows a run to its end; when it has seen that, it has all the rest looked at anew. Null: there is no run yet. */
export function useRun(id: string | null): Feed<RunView | null> {
  const { api, refreshAll } = useDesk();
  const [over, setOver] = useState<string | null>(null);
  const load = useCallback(() => (id === null ? Promise.resolve(null) : api.run(id)), [api, id]);
  const [feed] = useFeed<RunView | null>(load, id === null || over === id ? null : EVERY_MS);
  const sawAtWork = useRef<string | null>(null);
  if (feed.data !== null && !isOver(feed.data.state)) sawAtWork.current = feed.data.runId;
  const isEnd = feed.data !== null && feed.data.runId === id && isOver(feed.data.state);
  useEffect(() => {
    if (!isEnd) return;
    setOver(id);
    if (sawAtWork.current === id) refreshAll();
  }, [isEnd, id, refreshAll]);
  return feed.data !== null && feed.data.runId !== id ? { ...feed, data: null } : feed;
}
