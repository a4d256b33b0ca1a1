import type { Client } from './client.js';
import type { ProjectList, ReindexOrder, RestoreOrder, RunView, SnapshotList, Status } from './types.js';

/** As many snapshots as the page lists and draws. */
const SNAPSHOTS = 200;

/** What a call that starts something answers: the run over the queue, or all of the run where there is no queue. */
export type Started = Pick<RunView, 'runId' | 'state'>;

/** The calls that the page makes, typed. */
export interface Api {
  readonly status: () => Promise<Status>;
  readonly snapshots: () => Promise<SnapshotList>;
  readonly projects: () => Promise<ProjectList>;
  readonly run: (id: string) => Promise<RunView>;
  readonly backup: () => Promise<Started>;
  readonly verify: (snapshot: string) => Promise<Started>;
  readonly restore: (order: RestoreOrder) => Promise<Started>;
  readonly reindex: (order: ReindexOrder) => Promise<Started>;
  readonly drill: () => Promise<Started>;
}

export function createApi(client: Client): Api {
  return {
    status: () => client.get('/api/status') as Promise<Status>,
    snapshots: () => client.get(`/api/snapshots?limit=${SNAPSHOTS}`) as Promise<SnapshotList>,
    projects: () => client.get('/api/status?view=projects') as Promise<ProjectList>,
    run: (id) => client.get(`/api/runs/${encodeURIComponent(id)}`) as Promise<RunView>,
    backup: () => client.post('/api/backup') as Promise<Started>,
    verify: (snapshot) => client.post('/api/verify', { snapshot }) as Promise<Started>,
    restore: (order) => client.post('/api/restore', order) as Promise<Started>,
    reindex: (order) => client.post('/api/reindex', order) as Promise<Started>,
    drill: () => client.post('/api/drill') as Promise<Started>,
  };
}
