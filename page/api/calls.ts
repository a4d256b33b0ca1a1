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
export interface Api {
  readonly status: () => Promise<Status>;
  readonly snapshots: () => Promise<SnapshotList>;
  readonly projects: () => Promise<ProjectList>;
  readonly runs: (query: Query) => Promise<RunPage>;
  readonly run: (id: string) => Promise<RunView>;
  readonly cancel: (id: string) => Promise<RunView>;
  readonly snapshot: (id: string) => Promise<SnapshotDetail>;
  readonly keys: (id: string, query: Query) => Promise<KeyPage>;
  readonly value: (id: string, key: string) => Promise<KeyValue>;
  readonly diff: (id: string, query: Query) => Promise<DiffView>;
  readonly download: (id: string, query: Query) => Promise<Blob>;
  readonly pin: (id: string, pinned: boolean, reason?: string) => Promise<unknown>;
  readonly accept: (id: string, reason: string) => Promise<unknown>;
  readonly acknowledge: (code: string, subject: string, reason: string) => Promise<unknown>;
  readonly testAlert: () => Promise<{ readonly outcome: string; readonly error: { readonly message: string } | null }>;
  readonly backup: () => Promise<Started>;
  readonly verify: (snapshot: string) => Promise<Started>;
  readonly restore: (order: RestoreOrder) => Promise<Started>;
  readonly reindex: (order: ReindexOrder) => Promise<Started>;
  readonly drill: () => Promise<Started>;
}

export function createApi(client: Client): Api {
  const get = <T>(path: string, query: Query = {}) => client.get(path + queryText(query)) as Promise<T>;
  const post = <T>(path: string, body?: object) => client.post(path, body) as Promise<T>;
  const of = (id: string): string => `/api/snapshots/${encodeURIComponent(id)}`;
  return {
    status: () => get('/api/status'),
    snapshots: () => get('/api/snapshots', { limit: SNAPSHOTS }),
    projects: () => get('/api/status', { view: 'projects' }),
    runs: (query) => get('/api/runs', query),
    run: (id) => get(`/api/runs/${encodeURIComponent(id)}`),
    cancel: (id) => post(`/api/runs/${encodeURIComponent(id)}/cancel`),
    snapshot: (id) => get(of(id)),
    keys: (id, query) => get(`${of(id)}/keys`, query),
    value: (id, key) => get(`${of(id)}/keys/value`, { key }),
    diff: (id, query) => get(`${of(id)}/diff`, query),
    download: (id, query) => client.file(`${of(id)}/download${queryText(query)}`),
    pin: (id, pinned, reason) => post(`${of(id)}/pin`, reason === undefined ? { pinned } : { pinned, reason }),
    accept: (id, reason) => post(`${of(id)}/accept`, { reason }),
    acknowledge: (code, subject, reason) => post('/api/alerts/acknowledge', { code, subject, reason }),
    testAlert: () => post('/api/alerts/test'),
    backup: () => post('/api/backup'),
    verify: (snapshot) => post('/api/verify', { snapshot }),
    restore: (order) => post('/api/restore', order),
    reindex: (order) => post('/api/reindex', order),
    drill: () => post('/api/drill'),
  };
}

function queryText(query: Query): string {
  const entries = Object.entries(query).flatMap(([name, value]) =>
    value === null || value === undefined || value === '' ? [] : [[name, String(value)]],
  );
  const text = new URLSearchParams(entries).toString();
  return text === '' ? '' : `?${text}`;
}
