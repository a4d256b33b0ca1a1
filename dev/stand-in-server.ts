import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as a stand-in of a JSON API sees it. */
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
  /** Text goes as it is, anything else as JSON. */
  readonly body?: unknown;
}

/** `cut`: the connection is closed instead of an answer; `hang`: no answer comes at all. */
export type Served = ApiReply | 'cut' | 'hang';

export interface ApiServer {
  readonly url: string;
  /** Cuts what is open and closes the port. */
  stop(): Promise<void>;
}

/** Serves a JSON API on 127.0.0.1; resolves when the port is open. */
export async function serveApi(serve: (call: ApiCall) => Served | Promise<Served>, port = 0): Promise<ApiServer> {
  const server = createServer((request, response) => {
    answer(request, response, serve).catch(() => response.destroy());
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  serve: (call: ApiCall) => Served | Promise<Served>,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const text = Buffer.concat(chunks).toString('utf8');
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
