import { z } from 'zod';
import type { Knock, TaskEndpoint } from '../ports/task-endpoint.js';

const TIMEOUT_MS = 10_000;
/** So much of a body is looked at. */
const MOST_BYTES = 16 * 1024;

const problemSchema = z.object({ code: z.string().max(60), detail: z.string() });

/** The endpoint at `url`, over plain HTTP and without any secret. */
export function taskEndpoint(url: string, timeoutMs = TIMEOUT_MS): TaskEndpoint {
  return {
    async knock() {
      const signal = AbortSignal.timeout(timeoutMs);
      try {
        const headers = { 'content-type': 'application/json', 'user-agent': 'soulcaster-backup doctor' };
        const response = await fetch(url, { method: 'POST', headers, body: '{}', redirect: 'manual', signal });
        return answerOf(response, url, (await response.text()).slice(0, MOST_BYTES));
      } catch (error) {
        return { kind: 'failed', code: signal.aborted ? 'timeout' : networkCode(error) };
      }
    },
  };
}

function answerOf({ headers, status }: Response, url: string, text: string): Knock {
  const type = headers.get('content-type') ?? '';
  return {
    kind: 'answer',
    status,
    problem: type.startsWith('application/problem+json') ? problemIn(text) : null,
    isPage: type.startsWith('text/html'),
    hostError:
      headers.get('x-vercel-error') ?? /\b(DEPLOYMENT_[A-Z_]+|FUNCTION_[A-Z_]+|NOT_FOUND)\b/.exec(text)?.[1] ?? null,
    redirectsTo: originOf(headers.get('location'), url),
  };
}

function problemIn(text: string): { code: string; detail: string } | null {
  try {
    return problemSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    // The cause is dropped: it would quote the body.
    return null;
  }
}

function originOf(location: string | null, base: string): string | null {
  return location !== null && URL.canParse(location, base) ? new URL(location, base).origin : null;
}

function networkCode(error: unknown): string {
  const { code } = ((error as { cause?: unknown }).cause ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : 'network error';
}
