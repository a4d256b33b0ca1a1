import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeJson } from '../../lib/json.js';
import type { FaultBox } from '../faults.js';
import { bearerOf, bodyOf } from '../stand-in-server.js';
import { answer } from './api.js';
import type { VectorFaults, VectorRequest } from './faults.js';
import { Refusal } from './input.js';
import type { VectorStore } from './store.js';

export interface ServerContext {
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
export async function serve(
  context: ServerContext,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
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
