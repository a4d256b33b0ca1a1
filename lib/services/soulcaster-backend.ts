import { z } from 'zod';
import { AppError } from '../errors.js';
import type { Backend } from '../ports/backend.js';
import type { Clock } from '../ports/clock.js';
import { checkApiUrl, parseJson, readBytes } from './rest.js';
import { type RetryPolicy, withRetry } from './retry.js';

interface SoulcasterBackendOptions {
  /** `BACKEND_URL`: http(s), with an optional path, without a user; null when no backend is configured. */
  readonly url: string | null;
  readonly clock: Clock;
  /** Default: four attempts within seconds; the backend is the last check of a long run. */
  readonly retry?: RetryPolicy;
  /** For one request with its answer. Default 10 s. */
  readonly timeoutMs?: number;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

const RETRY: RetryPolicy = { attempts: 4, baseMs: 300, capMs: 10_000 };
const TIMEOUT_MS = 10_000;
/** The answers have a few hundred bytes; a longer one is another page. */
const MAX_BYTES = 64 * 1024;

const HEALTHY: ReadonlySet<string> = new Set(['ok', 'healthy']);

const healthSchema = z.object({ status: z.string(), storage: z.string().optional() });

const count = z.number().int().nonnegative();
const statsSchema = z.object({
  total_feedback: count,
  total_clusters: count,
  by_source: z.record(z.string(), count),
});

/**
 * A running backend of Soulcaster, with the same requests as its dashboard (backend/main.py of naga-k/soulcaster: GET
 * /health, GET /stats). `healthy` is false for a negative answer, including `"storage": "disconnected"` with status 200,
 * and when no backend is configured; it throws when there is no answer. `by_source` of today's backend has reddit, sentry
 * and manual only: a source that is missing there is not necessarily empty. No answer, 408, 429 and 5xx are retried; any
 * other 4xx and an answer other than the backend's JSON are final. Throws `config` at once for a malformed URL.
 */
export function soulcasterBackend(options: SoulcasterBackendOptions): Backend {
  const baseUrl = options.url === null ? null : checkApiUrl(options.url, 'BACKEND_URL');
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const retry = options.retry ?? RETRY;

  return {
    configured: baseUrl !== null,
    async healthy() {
      if (baseUrl === null) return false;
      const lastTry = { answer: false };
      try {
        const answer = await withRetry(
          options.clock,
          async () => {
            lastTry.answer = false;
            const answer = await fetchAnswer(`${baseUrl}/health`, timeoutMs);
            lastTry.answer = true;
            return assertAccepted(answer);
          },
          retry,
        );
        return isHealthy(answer);
      } catch (error) {
        if (lastTry.answer) return false;
        throw error;
      }
    },
    async stats(project) {
      if (baseUrl === null)
        throw new AppError('backend-unavailable', 'No Soulcaster backend is configured', {
          hint: "Set BACKEND_URL to compare with the application's own counts.",
        });
      const url = `${baseUrl}/stats?${new URLSearchParams({ project_id: project }).toString()}`;
      const answer = await withRetry(
        options.clock,
        async () => assertAccepted(await fetchAnswer(url, timeoutMs)),
        retry,
      );
      const stats = statsSchema.safeParse(parseJson(answer.body));
      if (!stats.success)
        throw unavailableError('The backend answered /stats with something other than its counts', false);
      const { total_feedback: feedback, total_clusters: clusters, by_source: bySource } = stats.data;
      return { feedback, clusters, bySource };
    },
  };
}

async function fetchAnswer(url: string, timeoutMs: number): Promise<Answer> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, { headers: { accept: 'application/json' }, signal });
    if (response.ok) return { status: response.status, body: await readBody(response) };
    await response.body?.cancel();
    return { status: response.status, body: '' };
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    if (signal.aborted) throw unavailableError(`The backend did not answer within ${timeoutMs} ms`, true);
    throw unavailableError('The backend cannot be reached', true, cause);
  }
}

async function readBody(response: Response): Promise<string> {
  const bytes = await readBytes(response, MAX_BYTES + 1);
  if (bytes.length > MAX_BYTES) throw unavailableError(`The backend's answer is over ${MAX_BYTES} bytes`, false);
  return bytes.toString('utf8');
}

function assertAccepted(answer: Answer): Answer {
  const { status } = answer;
  if (status >= 200 && status < 300) return answer;
  const isTransient = status >= 500 || status === 429 || status === 408;
  throw unavailableError(`The backend answered with status ${status}`, isTransient);
}

/** Any page may answer with 200: only the backend's own JSON counts. */
function isHealthy(answer: Answer): boolean {
  const health = healthSchema.safeParse(parseJson(answer.body)).data;
  return health !== undefined && HEALTHY.has(health.status.toLowerCase()) && health.storage !== 'disconnected';
}

function unavailableError(message: string, transient: boolean, cause?: unknown): AppError {
  return new AppError('backend-unavailable', message, {
    hint: 'Check BACKEND_URL, and that GET /health of the Soulcaster backend answers from here.',
    transient,
    ...(cause === undefined ? {} : { cause }),
  });
}
