import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Api } from '../api/calls.js';
import type { ProjectList, SnapshotList, Status } from '../api/types.js';
import type { Feed } from './feed.js';

/** What an operator may ask for; each opens a dialog. */
export type Task =
  | { readonly name: 'backup' | 'reindex' | 'drill' }
  | { readonly name: 'verify' | 'restore'; readonly snapshot?: string };

/** What every panel and dialog works with, once somebody is signed in. */
export interface Desk {
  readonly api: Api;
  readonly status: Feed<Status>;
  readonly snapshots: Feed<SnapshotList>;
  readonly projects: Feed<ProjectList>;
  readonly refresh: { readonly status: () => void; readonly snapshots: () => void; readonly projects: () => void };
  readonly refreshAll: () => void;
  /** Looks more often for a while: a call is under way whose run is not known yet. */
  readonly hurry: (on: boolean) => void;
  readonly open: (task: Task) => void;
}

export const DeskContext = createContext<Desk | null>(null);

export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (desk === null) throw new Error('There is no desk');
  return desk;
}

/** The server's time: ages are told by its clock, whatever this machine's says. */
export function serverTime(status: Feed<Status>, now: number): number {
  if (status.data === null || status.at === null) return now;
  const at = Date.parse(status.data.at);
  return Number.isNaN(at) ? now : now + (at - status.at);
}
