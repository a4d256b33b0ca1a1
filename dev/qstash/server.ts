import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { answer } from './api.js';
import type { ApiOptions, ApiReply } from './api.js';
import type { FaultBox } from './faults.js';

export interface ServerContext {
  readonly api: ApiOptions;
  readonly token: string;
  readonly faults: FaultBox;
}

/** Serves the API on 127.0.0.1; resolves when the port is open. */
export async function listen(context: ServerContext, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    // What fails here is the connection: nobody is left to be answered.
    serve(request, response, context).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
  return server;
}

async function serve(request: IncomingMessage, response: ServerResponse, context: ServerContext): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const reply = replyTo(request, Buffer.concat(chunks), context);
  response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
  response.end(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body));
}

function replyTo(request: IncomingMessage, body: Buffer, { api, token, faults }: ServerContext): ApiReply {
  const { method = 'GET', url: target = '/' } = request;
  const publishing = method === 'POST' && /^\/v2\/(publish\/|batch$|schedules\/)/.test(target);
  const rejection = publishing ? faults.takeRejection() : null;
  if (rejection !== null) return { ...rejection, body: rejection.body ?? { error: 'rejected' } };
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  if (headers.authorization !== `Bearer ${token}`) return { status: 401, body: { error: 'unauthorized' } };
  return answer(api, { method, target, headers, body });
}
