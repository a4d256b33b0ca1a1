import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Api } from '../api/calls.js';
import type { Deployment, ProjectList, SnapshotList, Status } from '../api/types.js';
import type { Feed } from './feed.js';
import type { Route } from '../words/address.js';
import type { Zone } from '../words/format.js';

/** What every view works with, once somebody is signed in. */
export interface Desk {
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
