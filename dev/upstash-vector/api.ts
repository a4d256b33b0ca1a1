import type { VectorRequest } from './faults.js';
import {
  countOf,
  cursorOf,
  fieldsOf,
  idsOf,
  listOf,
  recordOf,
  Refusal,
  textOf,
  vectorOf,
  type Fields,
} from './input.js';
import { MOST_PER_REQUEST } from './input.js';
import type { StoredRecord } from './namespace.js';
import type { VectorStore } from './store.js';

/** The `result` of a request (upstash.com/docs/vector/api/endpoints). Throws a Refusal. */
export function answer(store: VectorStore, request: VectorRequest, query: URLSearchParams): unknown {
  const { namespace, body } = request;
  store.indexWaiting();
  switch (request.endpoint) {
    case 'upsert':
      return upsert(store, namespace, body);
    case 'fetch':
      return fetchVectors(store, namespace, fieldsOf(body));
    case 'range':
      return range(store, namespace, fieldsOf(body));
    case 'query':
      return search(store, namespace, body);
    case 'delete':
      return remove(store, namespace, fieldsOf(body));
    case 'reset':
      store.reset(query.has('all') ? null : namespace);
      return 'Success';
    case 'info':
      return store.info();
    case 'list-namespaces':
      return store.names();
    case 'delete-namespace':
      return deleteNamespace(store, namespace);
    default:
      throw new Refusal(404, `Unknown path: /${request.endpoint}`);
  }
}

/** All or nothing: the whole batch is read before its first vector is written. */
function upsert(store: VectorStore, namespace: string, body: unknown): string {
  const records = listOf(body).map((item) => recordOf(item, store.dimensions));
  store.upsert(namespace, records);
  return 'Success';
}

function fetchVectors(store: VectorStore, namespace: string, fields: Fields): unknown[] {
  const known = store.find(namespace);
  const ids = idsOf(fields);
  const found =
    ids === undefined
      ? (known?.withPrefix(textOf(fields['prefix'], 'prefix')) ?? []).slice(0, MOST_PER_REQUEST)
      : ids.map((id) => known?.get(id));
  return found.map((record) => (record === undefined ? null : view(record, fields)));
}

function range(store: VectorStore, namespace: string, fields: Fields): unknown {
  const from = cursorOf(fields['cursor']);
  const limit = countOf(fields['limit'], 'limit');
  const page = store.find(namespace)?.page(from, limit, textOf(fields['prefix'], 'prefix'));
  return {
    nextCursor: page?.nextCursor ?? '',
    vectors: (page?.records ?? []).map((record) => view(record, fields)),
  };
}

/** A list of one is answered like a single query, as the vendor does. */
function search(store: VectorStore, namespace: string, body: unknown): unknown {
  const results = listOf(body).map((fields) => searchOnce(store, namespace, fields));
  return results.length === 1 ? results[0] : results;
}

function searchOnce(store: VectorStore, namespace: string, fields: Fields): unknown[] {
  refuseFilter(fields);
  const values = vectorOf(fields, store.dimensions);
  const count = countOf(fields['topK'] ?? 10, 'topK');
  const known = store.find(namespace);
  return (known?.search(values, count) ?? []).map(({ id, score }) => {
    const record = known?.get(id);
    return { ...(record === undefined ? { id } : view(record, fields)), score };
  });
}

function remove(store: VectorStore, namespace: string, fields: Fields): { deleted: number } {
  refuseFilter(fields);
  const known = store.find(namespace);
  const prefix = textOf(fields['prefix'], 'prefix');
  const ids = idsOf(fields) ?? (prefix === '' ? [] : known?.withPrefix(prefix).map(({ id }) => id)) ?? [];
  return { deleted: ids.filter((id) => known?.remove(id) === true).length };
}

function deleteNamespace(store: VectorStore, namespace: string): string {
  if (namespace === '') throw new Refusal(400, 'Default namespace cannot be deleted');
  if (!store.deleteNamespace(namespace)) {
    throw new Refusal(404, `Namespace ${namespace} for the index stand-in does not exist`);
  }
  return 'Success';
}

function refuseFilter({ filter }: Fields): void {
  if (filter !== undefined && filter !== '') throw new Refusal(400, 'The stand-in has no metadata filters');
}

function view({ id, vector, metadata, data }: StoredRecord, fields: Fields): object {
  return {
    id,
    ...(fields['includeVectors'] === true ? { vector: [...vector] } : {}),
    ...(fields['includeMetadata'] === true && metadata !== undefined ? { metadata } : {}),
    ...(fields['includeData'] === true && data !== undefined ? { data } : {}),
  };
}
