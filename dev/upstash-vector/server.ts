import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { decodeJson } from '../../lib/json.js';
import { answer } from './api.js';
import type { FaultBox, VectorRequest } from './faults.js';
import { Refusal } from './input.js';
import type { VectorStore } from './store.js';

export interface ServerContext {
  readonly store: VectorStore;
  readonly token: string;
  /** May look and not write; null for none. */
  readonly readOnlyToken: string | null;
  readonly faults: FaultBox;
  readonly requestLimitBytes: number;
  /** Told of every authorised request, before anything goes wrong with it. */
  readonly onRequest: (request: VectorRequest) => void;
}

interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json: string;
}

/** Serves the REST protocol on 127.0.0.1; resolves when the port is open. */
export async function listen(context: ServerContext, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    // What fails here is the connection: nobody is left to be answered.
    serve(request, response, context).catch(() => response.destroy());
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function serve(incoming: IncomingMessage, response: ServerResponse, context: ServerContext): Promise<void> {
  const body = await readBody(incoming, context.requestLimitBytes);
  const reply = refusing(() => replyTo(incoming, body, context));
  if (reply === 'hang') return;
  if (reply === 'cut') {
    response.destroy();
    return;
  }
  response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
  response.end(reply.json);
}

/** The body, or only its size when that is over the limit; it is read to the end so that the answer gets through. */
async function readBody(incoming: IncomingMessage, limit: number): Promise<Buffer | number> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
    else chunks.length = 0;
  }
  return size > limit ? size : Buffer.concat(chunks);
}

function replyTo(incoming: IncomingMessage, body: Buffer | number, context: ServerContext): Reply | 'hang' | 'cut' {
  const { readOnlyToken, store, faults, token } = context;
  if (!['GET', 'POST', 'PUT', 'DELETE'].includes(incoming.method ?? '')) return problem(405, 'Method not allowed');
  const mayRead = readOnlyToken !== null && isAuthorised(incoming, readOnlyToken);
  if (!mayRead && !isAuthorised(incoming, token)) return problem(401, 'Unauthorized: Invalid auth token');
  if (typeof body === 'number') return problem(413, `Request of ${body} bytes is over the limit`);
  const [path = '', query = ''] = (incoming.url ?? '/').split('?', 2);
  const request = toRequest(path, body);
  if (mayRead && WRITES.has(request.endpoint)) return problem(403, 'Forbidden: the token is read-only');
  context.onRequest(request);
  const fault = faults.take(request);
  if (fault === 'hang') return 'hang';
  if (fault !== null && fault !== 'lose-reply') {
    const { status, headers = {}, body: json } = fault;
    return { status, headers, json: json ?? problem(status, 'rejected').json };
  }
  const reply = refusing(() => {
    const result = answer(store, request, new URLSearchParams(query));
    return { status: 200, json: JSON.stringify({ result }) };
  });
  return fault === 'lose-reply' ? 'cut' : reply;
}

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

function refusing<T>(work: () => T): T | Reply {
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

function isAuthorised(incoming: IncomingMessage, token: string): boolean {
  const given = Buffer.from(/^Bearer\s+(.+)$/i.exec(incoming.headers.authorization ?? '')?.[1] ?? '');
  const right = Buffer.from(token);
  return given.length === right.length && timingSafeEqual(given, right);
}
