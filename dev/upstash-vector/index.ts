import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { FaultBox, serveHttp, bearerOf, bodyOf } from '../stand-in-server.js';
import { Refusal, VectorStore, type Metric } from './store.js';
import { decodeJson } from '../../lib/json.js';
import { answer, NO_FAULTS, type VectorFaults, type VectorRequest } from './api.js';

export type { Metric } from './store.js';

export interface UpstashVectorOptions {
  /** Default 768. */
  readonly dimensions?: number;
  /** Default COSINE. */
  readonly metric?: Metric;
  /** Default: a random token. */
  readonly token?: string;
  /** A token that may only read. Default: none. */
  readonly readOnlyToken?: string;
  /** Default: a free port. */
  readonly port?: number;
  /** Milliseconds until queries and the counts of `info` see a write; default 20. Infinity: never. */
  readonly indexDelayMs?: number;
  /** Most writes that are indexed between two requests, to simulate an index under load; default: all. */
  readonly indexAtOnce?: number;
  /** Daily limit of written vectors; more are answered with 429. Default: no limit. */
  readonly updatesPerDay?: number;
  /** Largest request in bytes; default 16 MiB. */
  readonly requestLimitBytes?: number;
  readonly faults?: Partial<VectorFaults>;
}

export interface UpstashVectorStandIn {
  readonly url: string;
  readonly token: string;
  readonly dimensions: number;
  /** Authorised, well-formed requests since the start, of one endpoint (`upsert`, `query`, ...) or of all. */
  requestCount(endpoint?: string): number;
  /** How often this id was written since its namespace exists, including writes with a lost answer. */
  upsertsOf(namespace: string, id: string): number;
  /** Applies to waiting writes as well. */
  setIndexDelayMs(ms: number): void;
  setIndexAtOnce(writes: number): void;
  /** Starts the next day of the limit `updatesPerDay`. */
  renewDay(): void;
  /** Sets the given faults; others stay. */
  setFaults(faults: Partial<VectorFaults>): void;
  /** Cuts open connections and closes the port. */
  stop(): Promise<void>;
}

const DEFAULT_LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * A stand-in for Upstash Vector's REST protocol over usearch, on loopback, with all data in memory.
 *
 * Modelled: upsert, fetch, range, query (single and batch), delete by ids or prefix, reset of one namespace or all,
 * info, listing and deleting namespaces, each with the namespace as last segment of the path; bearer authorisation;
 * the three similarity functions with the vendor's scores; 422 for a wrong dimension, for the batch as a whole; writes
 * that queries and counts see later, with the pending count meanwhile; at most 1,000 vectors per request and 48 KiB of
 * metadata per vector; a daily limit of writes; creation of a namespace by its first vector; and, on demand, the faults of
 * VectorFaults.
 *
 * Not modelled: durability, sparse and hybrid indexes, the vendor's own embedding (`upsert-data`, `query-data`),
 * metadata filters, `update`, `random`, resumable queries, renaming a namespace, rate limits and quotas other than the daily
 * writes except as faults. Queries are exact, and see deletions at once. Guessed, because it is not documented: the size limit
 * of a request, statuses of refusals other than 401, 404 and 422 (including that of a read-only token), that reading a missing
 * namespace finds nothing, and that a namespace in the path is percent-decoded.
 * Sources: upstash.com/docs/vector/api/endpoints and the SDKs' source.
 */
export async function startUpstashVector(options: UpstashVectorOptions = {}): Promise<UpstashVectorStandIn> {
  const { dimensions = 768, metric = 'COSINE', indexDelayMs = 20 } = options;
  const token = options.token ?? randomBytes(24).toString('base64url');
  const { indexAtOnce = Infinity, updatesPerDay = Infinity } = options;
  const store = new VectorStore({ dimensions, metric, indexDelayMs, indexAtOnce, updatesPerDay });
  const faults = new FaultBox<VectorRequest, VectorFaults>({ ...NO_FAULTS, ...options.faults });
  const requests = new Map<string, number>();
  const context: ServerContext = {
    store,
    token,
    readOnlyToken: options.readOnlyToken ?? null,
    faults,
    requestLimitBytes: options.requestLimitBytes ?? DEFAULT_LIMIT_BYTES,
    onRequest: ({ endpoint }) => requests.set(endpoint, (requests.get(endpoint) ?? 0) + 1),
  };
  const server = await serveHttp((incoming, response) => serve(context, incoming, response), options.port);
  return {
    ...server,
    token,
    dimensions,
    requestCount: (endpoint) =>
      endpoint === undefined ? [...requests.values()].reduce((a, b) => a + b, 0) : (requests.get(endpoint) ?? 0),
    upsertsOf: (namespace, id) => store.find(namespace)?.writesOf(id) ?? 0,
    setIndexDelayMs: (ms) => (store.indexDelayMs = ms),
    setIndexAtOnce: (writes) => (store.indexAtOnce = writes),
    renewDay: () => store.renewDay(),
    setFaults: (changed) => faults.set(changed),
  };
}

interface ServerContext {
  readonly store: VectorStore;
  readonly token: string;
  /** A token that may only read; null for none. */
  readonly readOnlyToken: string | null;
  readonly faults: FaultBox<VectorRequest, VectorFaults>;
  readonly requestLimitBytes: number;
  /** Called with every authorised request, before any fault. */
  readonly onRequest: (request: VectorRequest) => void;
}

interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json: string;
}

/** Answers one request of the REST protocol. */
async function serve(context: ServerContext, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(incoming, context.requestLimitBytes);
  const reply = catchRefusal(() => replyTo(incoming, body, context));
  if (reply === 'hang') return;
  if (reply === 'cut') {
    response.destroy();
    return;
  }
  response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
  response.end(reply.json);
}

function replyTo(incoming: IncomingMessage, body: Buffer | number, context: ServerContext): Reply | 'hang' | 'cut' {
  const { readOnlyToken, store, faults, token } = context;
  if (!['GET', 'POST', 'PUT', 'DELETE'].includes(incoming.method ?? '')) return problem(405, 'Method not allowed');
  const given = bearerOf(incoming);
  const mayRead = given === readOnlyToken;
  if (!mayRead && given !== token) return problem(401, 'Unauthorized: Invalid auth token');
  if (typeof body === 'number') return problem(413, `Request of ${body} bytes is over the limit`);
  const [path = '', query = ''] = (incoming.url ?? '/').split('?', 2);
  const request = toRequest(path, body);
  if (mayRead && WRITES.has(request.endpoint)) return problem(403, 'Forbidden: the token is read-only');
  context.onRequest(request);
  // Requests to the whole index have no namespace.
  if (!WHOLE.has(request.endpoint) && faults.faults.refuseNamespace(request.namespace)) return problem(400, 'rejected');
  const fault = faults.take(request);
  if (fault === 'hang') return 'hang';
  if (fault !== null && fault !== 'lose-reply') {
    const { status, headers = {}, body: json } = fault;
    return { status, headers, json: json ?? problem(status, 'rejected').json };
  }
  const reply = catchRefusal(() => {
    const result = answer(store, request, new URLSearchParams(query));
    return { status: 200, json: JSON.stringify({ result }) };
  });
  return fault === 'lose-reply' ? 'cut' : reply;
}

const WHOLE: ReadonlySet<string> = new Set(['info', 'list-namespaces']);
const WRITES = new Set(['upsert', 'delete', 'reset', 'delete-namespace']);

function toRequest(path: string, body: Buffer): VectorRequest {
  const [endpoint = '', namespace = '', ...rest] = path.split('/').slice(1);
  if (rest.length > 0) throw new Refusal(404, 'Unknown path');
  try {
    return {
      endpoint,
      namespace: decodeURIComponent(namespace),
      body: body.length === 0 ? undefined : decodeJson(body),
    };
  } catch {
    throw new Refusal(400, 'Invalid request: malformed path or JSON');
  }
}

function catchRefusal<T>(work: () => T): T | Reply {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refusal) return problem(error.status, error.message);
    return problem(500, 'Internal error');
  }
}

function problem(status: number, error: string): Reply {
  return { status, json: JSON.stringify({ error, status }) };
}
