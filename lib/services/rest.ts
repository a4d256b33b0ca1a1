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
  readonly text: string;
  /** The parsed text; undefined if it is not JSON. */
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
    const { status, headers: received } = response;
    const text = await readText(response, MAX_BYTES);
    return { status, headers: received, text, json: parseJson(text) };
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

/**
 * The beginning of an answer's body as text, at most `most` bytes. The rest is never read: an endless answer must not fill
 * the memory. Throws the connection's errors.
 */
export async function readText(response: Response, most: number): Promise<string> {
  return (await readBytes(response, most)).toString('utf8');
}

/** Like readText, but returns bytes. */
export async function readBytes(response: Response, most: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    size += chunk.length;
    // Leaving the loop cancels the rest.
    if (size >= most) break;
  }
  return Buffer.concat(chunks).subarray(0, most);
}

/** Undefined for text that is not JSON. The error is dropped on purpose: V8's message quotes the text. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A refusal in the body of an answer whose status says success. */
export interface Objection {
  /** Continues "the receiver ...". Quotes nothing of the body except a code of small letters. */
  readonly how: string;
  /** Whether the same message may be accepted a little later. */
  readonly isTransient: boolean;
}

/** Slack's error codes, such as `invalid_payload` and `channel_is_archived`; they cannot hold a secret. */
const CODE =
  /^(access|action|channel|invalid|missing|no|not|posting|rate|restricted|team|too|user)(_[a-z]{2,20}){1,5}$/;
const FAILED = /^(error|failed|failure|fail|invalid|denied|rejected)$/i;

/**
 * The refusal in an answer with a status of 200 to 299; null when there is none. A success has no body, `ok`, `1` or a
 * document of the message. Known refusals: the page of a login or of a parked domain, Slack's codes, `{"ok":false}` and
 * similar JSON, and the old connectors of Teams, which return the status of the service behind them as text.
 */
export function findObjection(text: string): Objection | null {
  const plain = text.trim();
  if (plain.startsWith('<'))
    return { how: 'answered with a web page: the address is not a receiver', isTransient: false };
  if (CODE.test(plain)) return { how: `answered with the error ${plain}`, isTransient: plain.includes('rate_limit') };
  const behind = /\b(?:delivery failed|HTTP error)\b.*?\b(?:error )?([45]\d\d)\b/is.exec(plain)?.[1];
  if (behind !== undefined) {
    const isTransient = behind === '429' || behind.startsWith('5');
    return { how: `reported status ${behind} of the service behind it`, isTransient };
  }
  return /^(error|failed|failure|invalid)\b/i.test(plain) || reportsFailure(plain)
    ? { how: 'reported a failure', isTransient: false }
    : null;
}

function reportsFailure(text: string): boolean {
  const json = parseJson(text);
  if (typeof json !== 'object' || json === null) return false;
  const { error, ok, status, success } = json as Record<string, unknown>;
  if (ok === false || success === false || success === 'false') return true;
  if (typeof status === 'string' && FAILED.test(status)) return true;
  return error === true || (typeof error === 'string' && error !== '') || (typeof error === 'object' && error !== null);
}
