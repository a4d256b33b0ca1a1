import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request to a stand-in of a JSON API. */
export interface ApiCall {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Parsed JSON; undefined when there was none. */
  readonly body: unknown;
}

export interface ApiReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text is sent unchanged, anything else as JSON. */
  readonly body?: unknown;
}

/** `cut`: the connection is closed instead of an answer; `hang`: no answer is sent. */
export type Served = ApiReply | 'cut' | 'hang';

export interface HttpServer {
  /** Base URL, on the loopback interface. */
  readonly url: string;
  /** Cuts open connections and frees the port. May be called more than once. */
  readonly stop: () => Promise<void>;
}

/** Serves HTTP on 127.0.0.1; resolves when the port (default: any free one) is open, and rejects when it is taken. */
export async function serveHttp(
  serve: (request: IncomingMessage, response: ServerResponse) => unknown,
  port = 0,
): Promise<HttpServer> {
  const server = createServer((request, response) => {
    // The handler fails when the connection is broken: there is no client to answer.
    new Promise((resolve) => resolve(serve(request, response))).catch(() => response.destroy());
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Reads the whole body; over the limit it returns only the size, and still reads to the end so that the answer is received. */
export async function bodyOf(message: IncomingMessage, limit: number): Promise<Buffer | number>;
export async function bodyOf(message: IncomingMessage): Promise<Buffer>;
export async function bodyOf(message: IncomingMessage, limit = Infinity): Promise<Buffer | number> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
    else chunks.length = 0;
  }
  return size > limit ? size : Buffer.concat(chunks);
}

/** The bearer token of a request; '' for none. */
export function bearerOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  return /^Bearer\s+(.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '';
}

/** Serves a JSON API on 127.0.0.1; resolves when the port is open. */
export function serveApi(serve: (call: ApiCall) => Served | Promise<Served>, port = 0): Promise<HttpServer> {
  return serveHttp((request, response) => answer(request, response, serve), port);
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  serve: (call: ApiCall) => Served | Promise<Served>,
): Promise<void> {
  const text = (await bodyOf(request)).toString('utf8');
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const served = await serve({
    method: request.method ?? 'GET',
    path: url.pathname,
    query: url.searchParams,
    headers: request.headers,
    body: text === '' ? undefined : (JSON.parse(text) as unknown),
  });
  if (served === 'hang') return;
  if (served === 'cut') {
    request.socket.destroy();
    return;
  }
  const { body, headers = {}, status } = served;
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  response.end(typeof body === 'string' || body === undefined ? body : JSON.stringify(body));
}

/** The requests that a fault applies to: this many of the next ones, or those that the predicate selects. */
type Hits<R> = number | ((request: R) => boolean);

interface Rejection<R> {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: JSON as the vendor answers an error. */
  readonly body?: string;
  readonly hits: Hits<R>;
}

/** Faults of authorised requests that every stand-in supports. A predicate may keep a count. */
export interface Faults<R> {
  /** Answer with this and do nothing. */
  readonly reject: Rejection<R> | null;
  /** Do nothing, and do not answer until the client gives up. */
  readonly hang: Hits<R>;
  /** Serve the request, then cut the connection instead of answering. */
  readonly loseReply: Hits<R>;
}

/** The active faults, and the number of requests that they still apply to. */
export class FaultBox<R, F extends Faults<R>> {
  constructor(public faults: F) {}

  set(changed: Partial<F>): void {
    this.faults = { ...this.faults, ...changed };
  }

  /** The fault for this request, which uses up one of its hits; a rejection comes before the others. */
  take(request: R): Rejection<R> | 'hang' | 'lose-reply' | null {
    const { reject } = this.faults;
    if (reject !== null && appliesTo(reject.hits, request)) {
      this.faults = { ...this.faults, reject: { ...reject, hits: decrement(reject.hits) } };
      return reject;
    }
    for (const name of ['hang', 'loseReply'] as const) {
      if (!appliesTo(this.faults[name], request)) continue;
      this.faults = { ...this.faults, [name]: decrement(this.faults[name]) };
      return name === 'hang' ? 'hang' : 'lose-reply';
    }
    return null;
  }
}

function appliesTo<R>(hits: Hits<R>, request: R): boolean {
  return typeof hits === 'number' ? hits > 0 : hits(request);
}

function decrement<R>(hits: Hits<R>): Hits<R> {
  return typeof hits === 'number' ? hits - 1 : hits;
}
