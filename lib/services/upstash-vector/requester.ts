import { isAscii } from 'node:buffer';
import type { Requester } from '@upstash/vector';
import type { Clock } from '../../ports/clock.js';
import { parseRetryAfter, type RetryPolicy, withRetry } from '../retry.js';
import { readBytes, parseJson } from '../answer-text.js';
import { networkCode } from '../rest.js';
import { emptyAnswerError, refusalError, unavailableError } from './failures.js';

interface RequesterOptions {
  /** The REST URL without a slash at its end. */
  readonly url: string;
  readonly token: string;
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  /** For the whole exchange, the body included. */
  readonly timeoutMs: number;
}

/** Larger than a thousand vectors of 3,072 dimensions with their metadata. */
const MAX_BYTES = 128 * 1024 * 1024;

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: string;
}

/**
 * Sends the SDK's requests in place of its built-in client, which drops the status and Retry-After, retries network errors
 * alone, takes a timeout's reason for an answer, and for a proxy's page throws JSON's error, which quotes the body. This
 * one throws AppErrors and NamespaceMissing.
 */
export function vectorRequester(options: RequesterOptions): Requester {
  const { clock, retry } = options;

  async function requestOnce(path: string, body: string): Promise<unknown> {
    const answer = await exchange(options, path, body);
    const { result, error } = parse(answer.body);
    const text = typeof error === 'string' ? error : null;
    if (answer.status !== 200) {
      const retryAfterMs = parseRetryAfter(answer.retryAfter, clock.now());
      throw refusalError({ status: answer.status, retryAfterMs, text });
    }
    if (result === undefined || result === null) throw emptyAnswerError(text);
    return result;
  }

  return {
    request: async ({ path = [], body }) => {
      const result = await withRetry(clock, () => requestOnce(path.join('/'), JSON.stringify(body)), retry);
      // Each command of the SDK has its own result type; the adapter checks the actual value.
      return { result: result as never };
    },
  };
}

async function exchange({ url, token, timeoutMs }: RequesterOptions, path: string, body: string): Promise<Answer> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(`${url}/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body,
      signal,
      // The token is for this host alone.
      redirect: 'manual',
    });
    const { status, headers } = response;
    return { status, retryAfter: headers.get('retry-after'), body: decodeText(await readBytes(response, MAX_BYTES)) };
  } catch (cause) {
    if (signal.aborted) throw unavailableError(`Upstash Vector did not answer within ${timeoutMs} ms`);
    throw unavailableError(`Upstash Vector could not be reached (${networkCode(cause) ?? 'network error'})`, { cause });
  }
}

/** Numbers are ASCII, which needs no decoding: decoding a megabyte as UTF-8 takes as long as parsing it. */
function decodeText(bytes: Buffer): string {
  return bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8');
}

function parse(text: string): Readonly<Record<string, unknown>> {
  const parsed = parseJson(text);
  return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
}
