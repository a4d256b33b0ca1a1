import { request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Message } from './message.js';

/** The answer of the destination; status 0 and a text in `error` when there was none. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly error: string | null;
}

/**
 * One HTTP call to a destination; never throws. node:http, because fetch times out when a function works for more than five
 * minutes.
 */
export function post(message: Message, headers: Record<string, string>, signal: AbortSignal): Promise<Reply> {
  const open = message.url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve) => {
    const fail = (error: Error): void =>
      resolve({ status: 0, headers: {}, body: Buffer.alloc(0), error: error.message });
    const outgoing = { 'user-agent': 'Upstash-QStash', ...headers, 'content-length': String(message.body.length) };
    // No keep-alive: the other side may close an idle connection at any moment, which would count as a failed delivery.
    const call = open(message.url, { method: message.method, headers: outgoing, agent: false, signal }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', fail);
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks), error: null }),
      );
    });
    call.on('error', fail);
    call.end(message.body);
  });
}
