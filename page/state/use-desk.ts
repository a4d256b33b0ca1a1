import { useCallback, useEffect, useMemo, useRef } from 'preact/hooks';
import type { Api } from '../api/calls.js';
import type { Status } from '../api/types.js';
import type { Desk } from './desk.js';
import { EVERY, statusEvery } from './pace.js';
import { isOver } from './runs.js';
import { useFeed } from './use-feed.js';

/** Keeps the three calls of the page going for as long as somebody is signed in. */
export function useFeeds(api: Api): Omit<Desk, 'api' | 'route' | 'zone'> {
  const following = useRef(0);
  const [status, refreshStatus, statusEveryMs] = useFeed(api.status, (data) =>
    statusEvery(data, following.current > 0),
  );
  const [snapshots, refreshSnapshots] = useFeed(api.snapshots, EVERY.snapshots);
  const [projects, refreshProjects] = useFeed(api.projects, EVERY.projects);

  useOnChange(snapshotsShown(status.data), refreshSnapshots);
  useOnChange(snapshotsShown(status.data), refreshProjects);

  const refreshAll = useCallback(() => {
    refreshStatus();
    refreshSnapshots();
    refreshProjects();
  }, [refreshStatus, refreshSnapshots, refreshProjects]);
  const refresh = useMemo(
    () => ({ status: refreshStatus, snapshots: refreshSnapshots, projects: refreshProjects }),
    [refreshStatus, refreshSnapshots, refreshProjects],
  );
  const follow = useCallback(() => {
    following.current += 1;
    return () => {
      following.current -= 1;
      refreshStatus();
    };
  }, [refreshStatus]);
  return { status, statusEveryMs, snapshots, projects, refresh, refreshAll, follow };
}

/** Changes whenever the list of snapshots may have; null as long as nothing is known. */
function snapshotsShown(status: Status | null): string | null {
  if (status === null) return null;
  const { recoveryPoint, runs, storage } = status;
  const over = runs.filter((run) => isOver(run.state)).map((run) => run.runId);
  return JSON.stringify([storage, recoveryPoint.newestVerified, over[0] ?? null]);
}

/** Calls `act` when a value that was known is another one. */
function useOnChange(value: string | null, act: () => void): void {
  const before = useRef(value);
  useEffect(() => {
    if (before.current !== null && value !== null && before.current !== value) act();
    before.current = value ?? before.current;
  }, [value, act]);
}
