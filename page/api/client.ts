import { CallError, fromNetwork, fromPlatform, fromProblem } from './errors.js';

/** A function on Vercel answers within its limit of 300 seconds, or its platform does. */
const PATIENCE_MS = 310_000;

/** Calls to the API of where the page came from. Every way a call can fail is a CallError. */
export interface Client {
  get(path: string): Promise<unknown>;
  post(path: string, body?: object): Promise<unknown>;
  file(path: string): Promise<Blob>;
}

/**
 * The one place that knows fetch. `token` gives the one that is accepted now; null: nobody is signed in, and nothing is sent.
 * `onRefused` is told when the token is not, or no longer, the right one.
 */
export function createClient(token: () => string | null, onRefused: (error: CallError) => void): Client {
  const call = async <T>(path: string, init: RequestInit, read: (response: Response) => Promise<T>): Promise<T> => {
    const given = token();
    if (given === null) throw new CallError('unauthorized', 'Nobody is signed in', 'Sign in again.', 401);
    try {
      return await read(await send(path, given, init));
    } catch (error) {
      // Another token may have been accepted while the call was under way.
      if (error instanceof CallError && error.status === 401 && token() === given) onRefused(error);
      throw error;
    }
  };
  return {
    get: (path) => call(path, {}, answer),
    post: (path, body = {}) =>
      call(
        path,
        { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } },
        answer,
      ),
    file: (path) => call(path, {}, blobOf),
  };
}

/** The bytes of an answer; what is no file says why. */
async function blobOf(response: Response): Promise<Blob> {
  if (response.ok) return response.blob();
  await answer(response);
  throw fromPlatform(response.status);
}

function send(path: string, token: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${token}`);
  const signal = AbortSignal.timeout(PATIENCE_MS);
  return fetch(path, { ...init, headers, signal, cache: 'no-store', credentials: 'omit', redirect: 'error' }).catch(
    (cause: unknown) => {
      throw fromNetwork(cause);
    },
  );
}

/**
 * The document of an answer. JSON is one whatever the status: 503 is also how a status says that an objective is
 * breached, and how a run that failed is answered.
 */
async function answer(response: Response): Promise<unknown> {
  const type = response.headers.get('content-type') ?? '';
  const isProblem = type.startsWith('application/problem+json');
  if (!isProblem && !type.startsWith('application/json')) throw fromPlatform(response.status);
  const document: unknown = await response.json().catch(() => {
    throw fromPlatform(response.status);
  });
  if (isProblem) throw fromProblem(response.status, document);
  return document;
}
