import type { Client } from './client.js';
import type { ProjectList, ReindexOrder, RestoreOrder, RunView, SnapshotList, Status } from './types.js';

/** As many snapshots as the page lists and draws. */
const SNAPSHOTS = 200;

/** What a call that starts something answers: the run over the queue, or all of the run where there is no queue. */
export type Started = Pick<RunView, 'runId' | 'state'>;

/** The calls that the page makes, typed. */
export interface Api {
  status(): Promise<Status>;
  snapshots(): Promise<SnapshotList>;
  projects(): Promise<ProjectList>;
  run(id: string): Promise<RunView>;
  backup(): Promise<Started>;
  verify(snapshot: string): Promise<Started>;
  restore(order: RestoreOrder): Promise<Started>;
  reindex(order: ReindexOrder): Promise<Started>;
  drill(): Promise<Started>;
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
