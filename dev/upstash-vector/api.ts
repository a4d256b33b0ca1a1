import type { Faults } from '../stand-in-server.js';
import { Refusal, type StoredRecord, type VectorStore } from './store.js';

/** A request to the stand-in, as predicates of faults see it. */
export interface VectorRequest {
  /** `upsert`, `fetch`, `range`, `query`, `delete`, `reset`, `info`, ... */
  readonly endpoint: string;
  /** Decoded; '' for the default namespace. */
  readonly namespace: string;
  /** The parsed JSON; undefined when there was none. */
  readonly body: unknown;
}

export interface VectorFaults extends Faults<VectorRequest> {
  /** Whether every request to this namespace is refused with 400. */
  readonly refuseNamespace: (namespace: string) => boolean;
}

export const NO_FAULTS: VectorFaults = { reject: null, hang: 0, loseReply: 0, refuseNamespace: () => false };

/** Most vectors that one request reads or writes (upstash.com/docs/devops/developer-api/vector/get_index). */
const MOST_PER_REQUEST = 1_000;
/** upstash.com/docs/vector/help/faq; counting UTF-8 bytes of JSON, and the status, are our guess. */
const MOST_METADATA_BYTES = 48 * 1024;

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Refusal(400, 'Invalid request: expected a JSON object');
}

/** One object or a list, as `upsert` and `query` accept. */
function listOf(body: unknown): Fields[] {
  const list = Array.isArray(body) ? body.map(fieldsOf) : [fieldsOf(body)];
  if (list.length > MOST_PER_REQUEST) throw new Refusal(400, `Too many items in a request: ${list.length}`);
  return list;
}

/** The `ids` of a request; undefined when there are none. Numbers are converted to text. */
function idsOf({ ids }: Fields): string[] | undefined {
  if (ids === undefined) return undefined;
  if (!Array.isArray(ids)) throw new Refusal(400, 'Invalid request: ids must be a list');
  if (ids.length > MOST_PER_REQUEST) throw new Refusal(400, `Too many ids in a request: ${ids.length}`);
  return ids.map(toId);
}

function recordOf(item: Fields, dimensions: number): StoredRecord {
  const { metadata, data } = item;
  if (metadata !== undefined && Buffer.byteLength(JSON.stringify(fieldsOf(metadata))) > MOST_METADATA_BYTES) {
    throw new Refusal(422, `Metadata of a vector is over the limit of ${MOST_METADATA_BYTES} bytes`);
  }
  if (data !== undefined && typeof data !== 'string') throw new Refusal(400, 'Invalid request: data must be text');
  return {
    id: toId(item['id']),
    vector: vectorOf(item, dimensions),
    ...(metadata === undefined ? {} : { metadata: fieldsOf(metadata) }),
    ...(data === undefined ? {} : { data }),
  };
}

function vectorOf({ vector }: Fields, dimensions: number): Float32Array {
  if (!isNumbers(vector)) throw new Refusal(400, 'Invalid request: vector must be a list of numbers');
  if (vector.length !== dimensions) {
    throw new Refusal(422, `Invalid vector dimension: ${vector.length}, expected: ${dimensions}`);
  }
  return new Float32Array(vector);
}

/** Numbers in JSON are finite. A loop is several times faster than `every` with a function. */
function isNumbers(value: unknown): value is number[] {
  if (!Array.isArray(value)) return false;
  for (const component of value as unknown[]) if (typeof component !== 'number') return false;
  return true;
}

/** A whole number of 1 to 1,000, as `limit` and `topK` are. */
function countOf(value: unknown, name: string): number {
  if (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MOST_PER_REQUEST) return Number(value);
  throw new Refusal(400, `Invalid request: ${name} must be between 1 and ${MOST_PER_REQUEST}`);
}

/** Parses a cursor of a range; "0" and the empty text start from the beginning. */
function cursorOf(value: unknown): number {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '?';
  if (/^\d*$/.test(text)) return Number(text);
  throw new Refusal(400, 'Invalid request: cursor is not one of a range');
}

function textOf(value: unknown, name: string): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  throw new Refusal(400, `Invalid request: ${name} must be text`);
}

function toId(value: unknown): string {
  const id = typeof value === 'number' ? String(value) : value;
  if (typeof id === 'string' && id !== '') return id;
  throw new Refusal(400, 'Invalid request: an id must be text that is not empty');
}

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
