import { statusOf, toAppError, type AppError } from '../errors.js';
import type { Log } from '../ports/index.js';

const JSON_TYPE = 'application/json; charset=utf-8';
const PROBLEM_TYPE = 'application/problem+json';

export function json(status: number, body: object, headers: Readonly<Record<string, string>> = {}): Response {
  return respond(status, body, { 'content-type': JSON_TYPE, ...headers });
}

/** An error as RFC 9457 problem details, with `code` and `hint`. */
export function problem(error: AppError, extra: Readonly<Record<string, string>> = {}): Response {
  const status = statusOf(error.code);
  const body = {
    type: 'about:blank',
    title: titleOf(error.code),
    status,
    detail: error.message,
    code: error.code,
    hint: error.hint,
  };
  const retryAfter =
    error.retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(error.retryAfterMs / 1000)) };
  return respond(status, body, { 'content-type': PROBLEM_TYPE, ...retryAfter, ...extra });
}

/** A problem document for a status without an AppError, such as an unknown path. */
export function plainProblem(
  status: number,
  code: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const body = { type: 'about:blank', title: titleOf(code), status, detail, code };
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

function titleOf(code: string): string {
  const words = code.replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
