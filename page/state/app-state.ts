import { createContext } from 'preact';
import { useContext, useCallback, useEffect, useMemo, useRef } from 'preact/hooks';
import type { Api } from '../api/calls.js';
import type { Deployment, ProjectList, SnapshotList, Status, RunView } from '../api/types.js';
import { type Feed, EVERY, statusEvery, runEvery } from './feed.js';
import { useFeed } from './use-feed.js';
import type { Route } from '../words/address.js';
import type { Zone } from '../words/format.js';
import { isOver } from '../words/runs.js';

/** State that all views share once the operator is signed in. */
interface AppState {
  readonly api: Api;
  readonly route: Route;
  readonly zone: Zone;
  readonly status: Feed<Status>;
  /** Interval between requests for the status, in milliseconds. */
  readonly statusEveryMs: number;
  readonly snapshots: Feed<SnapshotList>;
  readonly projects: Feed<ProjectList>;
  readonly refresh: { readonly status: () => void; readonly snapshots: () => void; readonly projects: () => void };
  readonly refreshAll: () => void;
  /** Reduces the polling of the status while a run is followed, from the next answer until the returned function is called. */
  readonly follow: () => () => void;
}

export const AppStateContext = createContext<AppState | null>(null);

export function useAppState(): AppState {
  const app = useContext(AppStateContext);
  if (app === null) throw new Error('useAppState needs an AppStateContext');
  return app;
}

/** The deployment, from any call that has answered: the status may be the one that fails. */
export function deploymentOf({
  projects,
  snapshots,
  status,
}: Pick<AppState, 'projects' | 'snapshots' | 'status'>): Deployment | null {
  return status.data?.deployment ?? snapshots.data?.deployment ?? projects.data?.deployment ?? null;
}

/** The server's time: ages are computed with the server's clock, not with this machine's. */
export function serverTime(status: Feed<Status>, now: number): number {
  if (status.data === null || status.at === null) return now;
  const at = Date.parse(status.data.at);
  return Number.isNaN(at) ? now : now + (at - status.at);
}

/** The name of a project; its id when the name is not known. */
export function projectName(projects: Feed<ProjectList>, id: string): string {
  return projects.data?.projects.find(({ project }) => project === id)?.name ?? id;
}

/** Polls status, snapshots and projects while the operator is signed in. */
export function useFeeds(api: Api): Omit<AppState, 'api' | 'route' | 'zone'> {
  const following = useRef(0);
  const [status, refreshStatus, statusEveryMs] = useFeed(api.status, (data) =>
    statusEvery(data, following.current > 0),
  );
  const [snapshots, refreshSnapshots] = useFeed(api.snapshots, EVERY.snapshots);
  const [projects, refreshProjects] = useFeed(api.projects, EVERY.projects);

  useChangeEffect(snapshotsVersion(status.data), refreshSnapshots);
  useChangeEffect(snapshotsVersion(status.data), refreshProjects);

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

/** A text that changes when the list of snapshots may have changed; null until the status is known. */
function snapshotsVersion(status: Status | null): string | null {
  if (status === null) return null;
  const { recoveryPoint, runs, storage } = status;
  const over = runs.filter((run) => isOver(run.state)).map((run) => run.runId);
  return JSON.stringify([storage, recoveryPoint.newestVerified, over[0] ?? null]);
}

/** Calls `act` when a known value changes. */
function useChangeEffect(value: string | null, act: () => void): void {
  const before = useRef(value);
  useEffect(() => {
    if (before.current !== null && value !== null && before.current !== value) act();
    before.current = value ?? before.current;
  }, [value, act]);
}

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
