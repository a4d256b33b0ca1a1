import type { IncomingMessage, ServerResponse } from 'node:http';
import { serveHttp, type HttpServer as Serving } from '../../dev/stand-in-server.js';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface HttpServer extends Serving {
  answer: Answer;
  /** Paths with their queries, in order of arrival. */
  readonly asked: string[];
}

export async function startServer(answer: Answer): Promise<HttpServer> {
  const asked: string[] = [];
  const server = await serveHttp((request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
    started.answer(request, response);
  });
  const started: HttpServer = { ...server, answer, asked };
  return started;
}

/** An answer in JSON. */
export const json =
  (value: unknown, status = 200): Answer =>
  (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));

/** An answer in HTML. */
export const text =
  (body: string, status = 200): Answer =>
  (_, response) =>
    response.writeHead(status, { 'content-type': 'text/html' }).end(body);
