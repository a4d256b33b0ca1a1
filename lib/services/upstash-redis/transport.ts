import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { AppError } from '../../errors.js';
import { tooLargeError, unavailableError } from './failures.js';

interface TransportOptions {
  /** The REST URL without a slash at its end. */
  readonly url: string;
  readonly token: string;
  /** For the whole exchange, the body included. */
  readonly timeoutMs: number;
  /** Largest body that is read, in bytes over HTTP (base64). */
  readonly maxReplyBytes: number;
  /** Called with the bytes of each body as they arrive, even if the body is abandoned. */
  readonly onReceived: (bytes: number) => void;
}

export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: Buffer;
}

/** POSTs JSON to a path of the REST API. Throws AppErrors `redis-unavailable` and `redis-reply-too-large`. */
type Transport = (path: `/${string}`, body: Buffer) => Promise<HttpAnswer>;

type Headers = Readonly<Record<string, string | number>>;

/**
 * One HTTP exchange over a kept-alive connection of node:http: the built-in fetch takes about a fifth more processor time
 * for a megabyte. Redirects are not followed: the token is for this host alone. With the sync token, Upstash's replicas
 * serve this client's earlier writes (upstash.com/docs/redis/howto/readyourwrites).
 */
export function httpTransport(options: TransportOptions): Transport {
  const secure = options.url.startsWith('https:');
  const agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  const request = secure ? httpsRequest : httpRequest;
  let syncToken = '';

  function exchange(path: string, headers: Headers, body: Buffer, signal: AbortSignal): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const outgoing = request(options.url + path, { method: 'POST', agent, headers, signal }, (incoming) => {
        readBody(incoming, options).then((bytes) => {
          syncToken = header(incoming, 'upstash-sync-token') ?? syncToken;
          resolve({ status: incoming.statusCode ?? 0, retryAfter: header(incoming, 'retry-after'), body: bytes });
        }, reject);
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  return async (path, body) => {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), options.timeoutMs);
    const headers = {
      authorization: `Bearer ${options.token}`,
      'content-type': 'application/json',
      'content-length': body.length,
      'upstash-encoding': 'base64',
      'upstash-sync-token': syncToken,
    };
    try {
      return await exchange(path, headers, body, abort.signal);
    } catch (cause) {
      throw toFailure(cause, abort.signal, options.timeoutMs);
    } finally {
      clearTimeout(timer);
    }
  };
}

async function readBody(incoming: IncomingMessage, options: TransportOptions): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    options.onReceived(chunk.length);
    // Leaving the loop destroys the connection: the rest is never read.
    if (size > options.maxReplyBytes) {
      throw tooLargeError(`A reply of Upstash Redis is over ${options.maxReplyBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function header(incoming: IncomingMessage, name: string): string | null {
  const value = incoming.headers[name];
  return typeof value === 'string' ? value : null;
}

function toFailure(cause: unknown, signal: AbortSignal, timeoutMs: number): AppError {
  if (cause instanceof AppError) return cause;
  if (signal.aborted) return unavailableError(`Upstash Redis did not answer within ${timeoutMs} ms`);
  return unavailableError(`Upstash Redis could not be reached (${networkCode(cause)})`, { cause });
}

/** The system's code, such as `ECONNREFUSED`. */
function networkCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : 'network error';
}
