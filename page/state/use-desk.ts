import { useCallback, useMemo, useState } from 'preact/hooks';
import type { Api } from '../api/calls.js';
import type { Desk, Task } from './desk.js';
import { isOver } from './runs.js';
import { useFeed } from './use-feed.js';

/** How often each call is made, in milliseconds. */
export const EVERY = { status: 15_000, statusBusy: 5000, statusHurry: 1500, snapshots: 60_000, projects: 120_000 };

/** Keeps the three calls of the page going for as long as somebody is signed in. */
export function useNewDesk(api: Api, open: (task: Task) => void): Desk {
  const [calls, setCalls] = useState(0);
  const [pace, setPace] = useState(EVERY.status);
  const [status, refreshStatus] = useFeed(api.status, calls > 0 ? EVERY.statusHurry : pace);
  const [snapshots, refreshSnapshots] = useFeed(api.snapshots, EVERY.snapshots);
  const [projects, refreshProjects] = useFeed(api.projects, EVERY.projects);
  const busy = status.data?.runs.some((run) => !isOver(run.state)) === true;
  const wanted = busy ? EVERY.statusBusy : EVERY.status;
  if (pace !== wanted) setPace(wanted);

  const hurry = useCallback((on: boolean) => setCalls((number) => number + (on ? 1 : -1)), []);
  const refreshAll = useCallback(() => {
    refreshStatus();
    refreshSnapshots();
    refreshProjects();
  }, [refreshStatus, refreshSnapshots, refreshProjects]);
  const refresh = useMemo(
    () => ({ status: refreshStatus, snapshots: refreshSnapshots, projects: refreshProjects }),
    [refreshStatus, refreshSnapshots, refreshProjects],
  );
  return { api, status, snapshots, projects, refresh, refreshAll, hurry, open };
}
