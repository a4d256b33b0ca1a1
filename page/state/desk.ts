import { createContext } from 'preact';
import { useContext, useCallback, useEffect, useMemo, useRef } from 'preact/hooks';
import type { Api } from '../api/calls.js';
import type { Deployment, ProjectList, SnapshotList, Status } from '../api/types.js';
import { type Feed } from './feed.js';
import { useFeed } from './use-feed.js';
import type { Route } from '../words/address.js';
import type { Zone } from '../words/format.js';
import { EVERY, statusEvery } from './pace.js';
import { isOver } from './runs.js';

/** What every view works with, once somebody is signed in. */
interface Desk {
  readonly api: Api;
  readonly route: Route;
  readonly zone: Zone;
  readonly status: Feed<Status>;
  /** How often the status is asked for, in milliseconds. */
  readonly statusEveryMs: number;
  readonly snapshots: Feed<SnapshotList>;
  readonly projects: Feed<ProjectList>;
  readonly refresh: { readonly status: () => void; readonly snapshots: () => void; readonly projects: () => void };
  readonly refreshAll: () => void;
  /** Has the status asked for less often from its next answer on, until what is returned is called: a run is followed. */
  readonly follow: () => () => void;
}

export const DeskContext = createContext<Desk | null>(null);

export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (desk === null) throw new Error('There is no desk');
  return desk;
}

/** Whose data it is, from whichever call has answered: the status may be what fails. */
export function deploymentOf({
  projects,
  snapshots,
  status,
}: Pick<Desk, 'projects' | 'snapshots' | 'status'>): Deployment | null {
  return status.data?.deployment ?? snapshots.data?.deployment ?? projects.data?.deployment ?? null;
}

/** The server's time: ages are told by its clock, whatever this machine's says. */
export function serverTime(status: Feed<Status>, now: number): number {
  if (status.data === null || status.at === null) return now;
  const at = Date.parse(status.data.at);
  return Number.isNaN(at) ? now : now + (at - status.at);
}

/** What a project is called; its id where that is not known. */
export function projectName(projects: Feed<ProjectList>, id: string): string {
  return projects.data?.projects.find(({ project }) => project === id)?.name ?? id;
}

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
