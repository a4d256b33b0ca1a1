import { jsonIn, textOf } from './answer-text.js';
import { AppError } from '../errors.js';

export interface RestCall {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface RestAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON; undefined for what is none. */
  readonly json: unknown;
}

/** No answer of these APIs is longer; what is cut is no JSON. */
const MOST_BYTES = 16 * 1024 * 1024;

/** How a vendor's adapter tells that there was no answer; `why` names no secret. */
type Unreachable = (why: string, cause?: unknown) => AppError;

/** One request to a vendor's JSON API, redirects not followed: a token is for its host alone. Throws what `fail` makes. */
export async function callRest(call: RestCall, timeoutMs: number, fail: Unreachable): Promise<RestAnswer> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(call.url, {
      method: call.method,
      headers: {
        'user-agent': 'soulcaster-backup',
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...call.headers,
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      redirect: 'manual',
      signal,
    });
    return { status: response.status, headers: response.headers, json: jsonIn(await textOf(response, MOST_BYTES)) };
  } catch (cause) {
    if (signal.aborted) throw fail(`did not answer within ${timeoutMs} ms`);
    throw fail(`could not be reached (${networkCode(cause) ?? 'network error'})`, cause);
  }
}

/** A token as a header takes it. Fetch would refuse another, and quote it in its error. */
export function headerSafe(token: string, variable: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new AppError('config', `${variable} is empty, or has spaces or line ends in it`, {
    hint: `Copy ${variable} again, without quotes or a line end.`,
  });
}

/** The address of an API without a slash at its end. Fetch would refuse a user in it, and quote the password in its error. */
export function apiUrl(text: string, variable: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isHttp = url !== null && /^https?:$/.test(url.protocol);
  if (isHttp && url.username === '' && url.password === '') return url.origin + url.pathname.replace(/\/+$/, '');
  throw new AppError('config', `${variable} is no http(s) URL without a user in it`, {
    hint: `Set ${variable} to an address such as https://api.example.com; .env.example says whose.`,
  });
}

/** The system's code of a failed fetch, such as `ECONNREFUSED`; null where there was no request at all. */
export function networkCode(error: unknown): string | null {
  const { code } = ((error as { cause?: unknown }).cause ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : null;
}
