import type { Client } from './client.js';
import type {
  DiffView,
  KeyPage,
  KeyValue,
  ProjectList,
  ReindexOrder,
  RestoreOrder,
  RunPage,
  RunView,
  SnapshotDetail,
  SnapshotList,
  Started,
  Status,
} from './types.js';

/** The most snapshots that the API lists in one answer. */
const SNAPSHOTS = 500;

/** Names and values of a query; null and empty values are left out. */
type Query = Readonly<Record<string, string | number | null | undefined>>;

/** The calls that the page makes, typed. */
export type Api = ReturnType<typeof createApi>;

export function createApi(client: Client) {
  const get = <T>(path: string, query: Query = {}) => client.get(path + queryText(query)) as Promise<T>;
  const post = <T>(path: string, body?: object) => client.post(path, body) as Promise<T>;
  const of = (id: string): string => `/api/snapshots/${encodeURIComponent(id)}`;
  return {
    status: () => get<Status>('/api/status'),
    snapshots: () => get<SnapshotList>('/api/snapshots', { limit: SNAPSHOTS }),
    projects: () => get<ProjectList>('/api/status', { view: 'projects' }),
    runs: (query: Query) => get<RunPage>('/api/runs', query),
    run: (id: string) => get<RunView>(`/api/runs/${encodeURIComponent(id)}`),
    cancel: (id: string) => post<RunView>(`/api/runs/${encodeURIComponent(id)}/cancel`),
    snapshot: (id: string) => get<SnapshotDetail>(of(id)),
    keys: (id: string, query: Query) => get<KeyPage>(`${of(id)}/keys`, query),
    value: (id: string, key: string) => get<KeyValue>(`${of(id)}/keys/value`, { key }),
    diff: (id: string, query: Query) => get<DiffView>(`${of(id)}/diff`, query),
    download: (id: string, query: Query) => client.file(`${of(id)}/download${queryText(query)}`),
    pin: (id: string, pinned: boolean, reason?: string) =>
      post(`${of(id)}/pin`, reason === undefined ? { pinned } : { pinned, reason }),
    accept: (id: string, reason: string) => post(`${of(id)}/accept`, { reason }),
    acknowledge: (code: string, subject: string, reason: string) =>
      post('/api/alerts/acknowledge', { code, subject, reason }),
    testAlert: () => post<{ outcome: string; error: { message: string } | null }>('/api/alerts/test'),
    backup: () => post<Started>('/api/backup'),
    verify: (snapshot: string) => post<Started>('/api/verify', { snapshot }),
    restore: (order: RestoreOrder) => post<Started>('/api/restore', order),
    reindex: (order: ReindexOrder) => post<Started>('/api/reindex', order),
    drill: () => post<Started>('/api/drill'),
  };
}

function queryText(query: Query): string {
  const entries = Object.entries(query).flatMap(([name, value]) =>
    value === null || value === undefined || value === '' ? [] : [[name, String(value)]],
  );
  const text = new URLSearchParams(entries).toString();
  return text === '' ? '' : `?${text}`;
}
