import { statusOf, toAppError, type AppError } from '../errors.js';
import type { Log } from '../ports/index.js';
import { environment } from '../app/config.js';
import { deploymentOf } from '../app/connect/database.js';

const JSON_TYPE = 'application/json; charset=utf-8';
const PROBLEM_TYPE = 'application/problem+json';

export function json(status: number, body: object, headers: Readonly<Record<string, string>> = {}): Response {
  return respond(status, body, { 'content-type': JSON_TYPE, ...headers });
}

/** An error as RFC 9457 problem details, with `code` and `hint`. */
export function problem({ code, hint, message, retryAfterMs }: AppError): Response {
  const retryAfter = retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) };
  return plainProblem(statusOf(code), code, message, retryAfter, { hint });
}

/** A problem document for a status without an AppError, such as an unknown path. */
export function plainProblem(
  status: number,
  code: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
  more: object = {},
): Response {
  const words = code.replaceAll('-', ' ');
  const title = words.charAt(0).toUpperCase() + words.slice(1);
  const body = { type: 'about:blank', title, status, detail, code, ...more };
  return respond(status, body, { 'content-type': PROBLEM_TYPE, ...headers });
}

/** Runs a handler; an error becomes a problem document and a line in the log. */
export async function withErrorResponse(log: Log, handle: () => Promise<Response>): Promise<Response> {
  try {
    return await handle();
  } catch (thrown) {
    const error = toAppError(thrown);
    const cause = error.cause instanceof Error ? error.cause.name : null;
    log.error('request-failed', { code: error.code, message: error.message, cause });
    return problem(error);
  }
}

function respond(status: number, body: object, headers: Readonly<Record<string, string>>): Response {
  const common = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  return new Response(`${JSON.stringify(body)}\n`, { status, headers: { ...common, ...headers } });
}

/**
 * Adds `deployment {label, database, store, version}` to the answer: an operator with several deployments, or after a move,
 * must see which one answers before acting. For operators only: it names host and bucket.
 */
export async function withDeployment(response: Response): Promise<Response> {
  if (!(response.headers.get('content-type') ?? '').includes('json')) return response;
  const body: unknown = JSON.parse(await response.text());
  if (typeof body !== 'object' || body === null) return response;
  const { headers, status } = response;
  return new Response(`${JSON.stringify({ ...body, deployment: deploymentOf(environment()) })}\n`, { headers, status });
}
