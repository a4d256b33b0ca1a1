import { z } from 'zod';
import type { DeploymentClient, EndpointResponse, TaskEndpoint } from '../ports/hosting.js';
import { networkCode, parseJson, readText } from './rest.js';

const TIMEOUT_MS = 10_000;
/** Most bytes of a body that are read: a status with all its figures has fewer. */
const MAX_BODY_BYTES = 1024 * 1024;

const problemSchema = z.object({ code: z.string().max(60), detail: z.string() });

/** The endpoint at `url`, requested without any secret. */
export function taskEndpoint(url: string, timeoutMs = TIMEOUT_MS): TaskEndpoint {
  return { probe: () => deploymentClient(url, timeoutMs).request('', { body: '{}' }) };
}

/** The deployment whose addresses begin with `base`. */
export function deploymentClient(base: string, timeoutMs = TIMEOUT_MS): DeploymentClient {
  return {
    async request(path, { bearer, body, headers: more = {} } = {}) {
      const url = `${base}${path}`;
      const signal = AbortSignal.timeout(timeoutMs);
      const headers = {
        ...more,
        'user-agent': 'soulcaster-backup doctor',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      };
      const sent = body === undefined ? { method: 'GET' } : { method: 'POST', body };
      try {
        const response = await fetch(url, { ...sent, headers, redirect: 'manual', signal });
        return toResponse(response, url, await readText(response, MAX_BODY_BYTES));
      } catch (error) {
        return { kind: 'failed', code: signal.aborted ? 'timeout' : (networkCode(error) ?? 'network error') };
      }
    },
  };
}

function toResponse({ headers, status }: Response, url: string, text: string): EndpointResponse {
  const type = headers.get('content-type') ?? '';
  return {
    kind: 'answer',
    status,
    problem: type.startsWith('application/problem+json')
      ? (problemSchema.safeParse(parseJson(text)).data ?? null)
      : null,
    isPage: type.startsWith('text/html'),
    hostError:
      headers.get('x-vercel-error') ?? /\b(DEPLOYMENT_[A-Z_]+|FUNCTION_[A-Z_]+|NOT_FOUND)\b/.exec(text)?.[1] ?? null,
    redirectsTo: redirectOrigin(headers.get('location'), url),
    headers: Object.fromEntries(headers),
    json: type.includes('json') ? parseJson(text) : undefined,
  };
}

function redirectOrigin(location: string | null, base: string): string | null {
  return location !== null && URL.canParse(location, base) ? new URL(location, base).origin : null;
}
