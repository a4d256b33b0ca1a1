import { CallError, fromNetwork, fromPlatform, fromProblem } from './errors.js';

/** A function on Vercel answers within its limit of 300 seconds, or its platform does. */
const PATIENCE_MS = 310_000;

/** Calls to the API of where the page came from. Every way a call can fail is a CallError. */
export interface Client {
  get(path: string): Promise<unknown>;
  post(path: string, body?: object): Promise<unknown>;
}

/** The one place that knows fetch. `onRefused` is told when the token is not, or no longer, the right one. */
export function createClient(token: string, onRefused: (error: CallError) => void): Client {
  const call = async (path: string, init: RequestInit): Promise<unknown> => {
    try {
      return await answer(await send(path, token, init));
    } catch (error) {
      if (error instanceof CallError && error.status === 401) onRefused(error);
      throw error;
    }
  };
  return {
    get: (path) => call(path, {}),
    post: (path, body = {}) =>
      call(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  };
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
