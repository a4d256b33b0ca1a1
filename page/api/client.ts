import { CallError, fromNetwork, fromPlatform, fromProblem } from './errors.js';

/** A function on Vercel, or the platform in its place, answers within the limit of 300 seconds. */
const TIMEOUT_MS = 310_000;

/** Calls to the API of the page's origin. Every failure is a CallError. */
export interface Client {
  get(path: string): Promise<unknown>;
  post(path: string, body?: object): Promise<unknown>;
  file(path: string): Promise<Blob>;
}

/**
 * The only user of fetch beside the public status. `token` returns the current token; null: nobody is signed in, and nothing
 * is sent. `onRefused` is called when the server refuses the token.
 */
export function createClient(token: () => string | null, onRefused: (error: CallError) => void): Client {
  const call = async <T>(path: string, init: RequestInit, read: (response: Response) => Promise<T>): Promise<T> => {
    const given = token();
    if (given === null) throw new CallError('unauthorized', 'You are not signed in', 'Sign in again.', 401);
    try {
      return await read(await send(path, given, init));
    } catch (error) {
      // Another token may have been accepted while the call was under way.
      if (error instanceof CallError && error.status === 401 && token() === given) onRefused(error);
      throw error;
    }
  };
  return {
    get: (path) => call(path, {}, readJson),
    post: (path, body = {}) =>
      call(
        path,
        { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } },
        readJson,
      ),
    file: (path) => call(path, {}, readBlob),
  };
}

/** The bytes of a file; throws the reason when the answer is an error. */
async function readBlob(response: Response): Promise<Blob> {
  if (response.ok) return response.blob();
  await readJson(response);
  throw fromPlatform(response.status);
}

function send(path: string, token: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${token}`);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  return fetch(path, { ...init, headers, signal, cache: 'no-store', credentials: 'omit', redirect: 'error' }).catch(
    (cause: unknown) => {
      throw fromNetwork(cause);
    },
  );
}

/**
 * The JSON document of an answer, whatever the HTTP status: 503 also answers for a breached objective and for a failed run.
 */
async function readJson(response: Response): Promise<unknown> {
  const type = response.headers.get('content-type') ?? '';
  const isProblem = type.startsWith('application/problem+json');
  if (!isProblem && !type.startsWith('application/json')) throw fromPlatform(response.status);
  const document: unknown = await response.json().catch(() => {
    throw fromPlatform(response.status);
  });
  if (isProblem) throw fromProblem(response.status, document);
  return document;
}
