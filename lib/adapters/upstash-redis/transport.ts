import type { AppError } from '../../errors.js';
import { tooLargeError, unavailableError } from './failures.js';

export interface TransportOptions {
  /** The REST URL without a slash at its end. */
  readonly url: string;
  readonly token: string;
  /** For the whole exchange, the body included. */
  readonly timeoutMs: number;
  /** Largest body that is read, in bytes as they come over HTTP (base64). */
  readonly maxReplyBytes: number;
  /** Told of the bytes of each body, also of one that is given up half way. */
  readonly onReceived: (bytes: number) => void;
}

export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: Buffer;
}

/** POSTs JSON to a path of the REST API. Throws AppErrors `redis-unavailable` and `redis-reply-too-large`. */
export type Transport = (path: '/pipeline' | '/multi-exec', body: Buffer) => Promise<HttpAnswer>;

/**
 * One HTTP exchange over the built-in fetch, which keeps connections alive. The sync token makes Upstash's replicas
 * serve what this client wrote before (upstash.com/docs/redis/howto/readyourwrites).
 */
export function httpTransport(options: TransportOptions): Transport {
  let syncToken = '';
  return async (path, body) => {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), options.timeoutMs);
    try {
      const response = await fetch(options.url + path, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${options.token}`,
          'content-type': 'application/json',
          'upstash-encoding': 'base64',
          'upstash-sync-token': syncToken,
        },
        body,
        // The token is for this host alone.
        redirect: 'manual',
        signal: abort.signal,
      });
      const bytes = await readBody(response, options, abort);
      syncToken = response.headers.get('upstash-sync-token') ?? syncToken;
      return { status: response.status, retryAfter: response.headers.get('retry-after'), body: bytes };
    } catch (cause) {
      throw toFailure(cause, abort.signal, options.timeoutMs);
    } finally {
      clearTimeout(timer);
    }
  };
}

async function readBody(response: Response, options: TransportOptions, abort: AbortController): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (response.body === null) return Buffer.alloc(0);
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    options.onReceived(chunk.length);
    if (size > options.maxReplyBytes) {
      const tooLarge = tooLargeError(`A reply of Upstash Redis is over ${options.maxReplyBytes} bytes`);
      abort.abort(tooLarge);
      throw tooLarge;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function toFailure(cause: unknown, signal: AbortSignal, timeoutMs: number): AppError {
  // Leaving the loop over the body cancels it, which may throw something else first: the signal knows why.
  const reason: unknown = signal.reason;
  if (isTooLarge(reason)) return reason;
  if (signal.aborted) return unavailableError(`Upstash Redis did not answer within ${timeoutMs} ms`);
  return unavailableError(`Upstash Redis could not be reached (${networkCode(cause)})`, { cause });
}

function isTooLarge(reason: unknown): reason is AppError {
  return (reason as AppError | undefined)?.name === 'AppError';
}

/** The system's code (`ECONNREFUSED`), which fetch hides in the cause of its TypeError. */
function networkCode(error: unknown): string {
  const cause = (error as { cause?: { code?: unknown } } | null)?.cause;
  return typeof cause?.code === 'string' ? cause.code : 'network error';
}
