import type { IncomingMessage, ServerResponse } from 'node:http';
import { bodyOf } from '../stand-in-server.js';
import type { Outcome, Pool } from './pool.js';
import type { HostConfig } from './protocol.js';
import { matchRoute, type Match, type Route, readStatic, matchesPattern, headersFor, rewritePath } from './paths.js';

/** Largest request body: https://vercel.com/docs/functions/limitations */
const BODY_LIMIT = 4.5 * 1024 * 1024;

interface ServerContext {
  readonly config: HostConfig;
  readonly routes: readonly Route[];
  readonly pool: Pool;
  readonly log: (line: string) => void;
}

interface Reply {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array | string;
}

/** The HTTP side of the host: static files first, then functions, as on Vercel. */
export async function serve(context: ServerContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(request, BODY_LIMIT);
  const reply =
    typeof body === 'number' ? platformError(413, 'FUNCTION_PAYLOAD_TOO_LARGE') : await replyTo(context, request, body);
  for (const [name, value] of reply.headers) response.appendHeader(name, value);
  // Headers of the answer take precedence over those of vercel.json.
  for (const [name, value] of headersFor(context.config, pathOf(request))) {
    if (!response.hasHeader(name)) response.setHeader(name, value);
  }
  // After a refused body the connection is closed.
  if (typeof body === 'number') response.setHeader('connection', 'close');
  response.writeHead(reply.status);
  response.end(request.method === 'HEAD' ? undefined : reply.body);
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/';
}

async function replyTo(context: ServerContext, request: IncomingMessage, body: Buffer): Promise<Reply> {
  const { method = 'GET' } = request;
  const url = new URL(`http://${request.headers.host ?? 'localhost'}${request.url ?? '/'}`);
  const file = await readStatic(context.config.publicDir, url.pathname);
  if (file !== null) {
    if (method !== 'GET' && method !== 'HEAD') return methodNotAllowed(['GET', 'HEAD']);
    return { status: 200, headers: [['content-type', file.type]], body: file.body };
  }
  // As on Vercel, functions take precedence over rewrites.
  const { config, routes } = context;
  const match = matchRoute(routes, url.pathname) ?? matchRoute(routes, rewritePath(config, url.pathname));
  if (match === null) return problem(404, 'not-found', 'There is nothing at this address');
  return callFunction(context, request, { match, url, body, method });
}

interface Call {
  readonly match: Match;
  readonly url: URL;
  readonly body: Buffer;
  readonly method: string;
}

async function callFunction(context: ServerContext, request: IncomingMessage, call: Call): Promise<Reply> {
  const { match, url, body, method } = call;
  const { file, name } = match.route;
  const { config } = context;
  // In production Vercel puts the values of dynamic segments into the query as well.
  for (const [parameter, value] of Object.entries(match.parameters)) url.searchParams.set(parameter, value);
  const seconds =
    config.limits.find(({ pattern }) => matchesPattern(pattern, name))?.seconds ?? config.defaultLimitSeconds;
  const outcome = await context.pool.run({
    name,
    request: { file, method, url: url.href, headers: headersOf(request, url), body },
    limitMs: seconds * 1000,
  });
  if (outcome.type === 'threw') context.log(`[${name}] ${outcome.text}`);
  return toReply(outcome);
}

function toReply(outcome: Outcome): Reply {
  switch (outcome.type) {
    case 'response':
      return outcome;
    case 'no-such-method':
      return methodNotAllowed(outcome.allow);
    case 'timeout':
      return platformError(504, 'FUNCTION_INVOCATION_TIMEOUT');
    case 'threw':
      return platformError(500, 'FUNCTION_INVOCATION_FAILED');
    case 'ended':
      return platformError(outcome.signal === null ? 500 : 502, 'FUNCTION_INVOCATION_FAILED');
  }
}

function headersOf(request: IncomingMessage, url: URL): [string, string][] {
  const own = Object.entries(request.headersDistinct).flatMap(([name, values]) =>
    (values ?? []).map((value): [string, string] => [name, value]),
  );
  return [...own, ['x-forwarded-host', url.host], ['x-forwarded-proto', 'http'], ['x-forwarded-for', '127.0.0.1']];
}

function methodNotAllowed(allow: readonly string[]): Reply {
  const reply = problem(405, 'method-not-allowed', 'This address does not take this method');
  return { ...reply, headers: [...reply.headers, ['allow', allow.join(', ')]] };
}

function problem(status: number, code: string, title: string): Reply {
  const body = JSON.stringify({ type: 'about:blank', status, code, title });
  return { status, headers: [['content-type', 'application/problem+json']], body };
}

/** Vercel's answer for a function that fails: https://vercel.com/docs/errors */
function platformError(status: number, code: string): Reply {
  const headers = [
    ['content-type', 'text/plain; charset=utf-8'],
    ['x-vercel-error', code],
  ] as const;
  return { status, headers, body: `An error occurred with this application\n\n${code}\n` };
}
