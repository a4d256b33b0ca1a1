import { parseJson, readText } from './answer-text.js';
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
  /** Parsed JSON; undefined for a body that is not JSON. */
  readonly json: unknown;
}

/** No answer of these APIs is longer; a longer one is cut and is then not JSON. */
const MAX_BYTES = 16 * 1024 * 1024;

/** The error of a vendor's adapter for a request without an answer; `why` names no secret. */
type ToError = (why: string, cause?: unknown) => AppError;

/** One request to a vendor's JSON API. Redirects are not followed: a token is for its host alone. Throws `toError`'s error. */
export async function callRest(call: RestCall, timeoutMs: number, toError: ToError): Promise<RestAnswer> {
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
    return { status: response.status, headers: response.headers, json: parseJson(await readText(response, MAX_BYTES)) };
  } catch (cause) {
    if (signal.aborted) throw toError(`did not answer within ${timeoutMs} ms`);
    throw toError(`could not be reached (${networkCode(cause) ?? 'network error'})`, cause);
  }
}

/** The token, when a header can hold it. Fetch would refuse any other, and quote it in its error. */
export function checkToken(token: string, variable: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new AppError('config', `${variable} is empty, or has spaces or line ends in it`, {
    hint: `Copy ${variable} again, without quotes or a line end.`,
  });
}

/** The address of an API without a slash at its end. Fetch would refuse a user in it, and quote the password in its error. */
export function checkApiUrl(text: string, variable: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isHttp = url !== null && /^https?:$/.test(url.protocol);
  if (isHttp && url.username === '' && url.password === '') return url.origin + url.pathname.replace(/\/+$/, '');
  throw new AppError('config', `${variable} is no http(s) URL without a user in it`, {
    hint: `Set ${variable} to an address such as https://api.example.com; .env.example says whose.`,
  });
}

/** The system's code of a failed fetch, such as `ECONNREFUSED`; null when no request was sent. */
export function networkCode(error: unknown): string | null {
  const { code } = ((error as { cause?: unknown }).cause ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : null;
}
