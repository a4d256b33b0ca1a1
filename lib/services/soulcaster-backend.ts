import { z } from 'zod';
import { AppError } from '../errors.js';
import type { Backend } from '../ports/backend.js';
import type { Clock } from '../ports/clock.js';
import { jsonIn } from './answer-text.js';
import { apiUrl } from './rest.js';
import { withRetry, type RetryPolicy } from './retry.js';

interface SoulcasterBackendOptions {
  /** `BACKEND_URL`: http(s), a path allowed, without a user; null when there is no backend to ask. */
  readonly url: string | null;
  readonly clock: Clock;
  /** Default: four tries within seconds; the backend is the last look of a long run. */
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
/** The answers are a few hundred bytes; more is some other page. */
const MAX_BYTES = 64 * 1024;

const WELL: ReadonlySet<string> = new Set(['ok', 'healthy']);

const healthSchema = z.object({ status: z.string(), storage: z.string().optional() });

const count = z.number().int().nonnegative();
const statsSchema = z.object({
  total_feedback: count,
  total_clusters: count,
  by_source: z.record(z.string(), count),
});

/**
 * A running backend of Soulcaster, as its own dashboard asks it (backend/main.py of naga-k/soulcaster: GET /health,
 * GET /stats). `healthy` is false for an answer that says no, also one with `"storage": "disconnected"`, which comes as
 * 200, and where no backend is configured; it throws when there is no answer at all. `by_source` of today's backend has
 * reddit, sentry and manual only: a source that it does not name is not therefore empty. No answer, 408, 429 and 5xx
 * are tried again; another 4xx and what is not the backend's JSON are final. Throws `config` at once for a URL that
 * cannot be one.
 */
export function soulcasterBackend(options: SoulcasterBackendOptions): Backend {
  const base = options.url === null ? null : apiUrl(options.url, 'BACKEND_URL');
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const retry = options.retry ?? RETRY;

  return {
    configured: base !== null,
    async healthy() {
      if (base === null) return false;
      const heard = { answer: false };
      try {
        const answer = await withRetry(
          options.clock,
          async () => {
            heard.answer = false;
            const answer = await get(`${base}/health`, timeoutMs);
            heard.answer = true;
            return accepted(answer);
          },
          retry,
        );
        return isHealthy(answer);
      } catch (error) {
        if (heard.answer) return false;
        throw error;
      }
    },
    async stats(project) {
      if (base === null) throw notConfigured();
      const url = `${base}/stats?${new URLSearchParams({ project_id: project }).toString()}`;
      const answer = await withRetry(options.clock, async () => accepted(await get(url, timeoutMs)), retry);
      const stats = statsSchema.safeParse(jsonIn(answer.body));
      if (!stats.success) throw unavailable('The backend answered /stats with something other than its counts', false);
      const { total_feedback: feedback, total_clusters: clusters, by_source: bySource } = stats.data;
      return { feedback, clusters, bySource };
    },
  };
}

async function get(url: string, timeoutMs: number): Promise<Answer> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, { headers: { accept: 'application/json' }, signal });
    if (response.ok) return { status: response.status, body: await readText(response) };
    await response.body?.cancel();
    return { status: response.status, body: '' };
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    if (signal.aborted) throw unavailable(`The backend did not answer within ${timeoutMs} ms`, true);
    throw unavailable('The backend cannot be reached', true, cause);
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (response.body === null) return '';
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    // Leaving the loop cancels the rest.
    if (size > MAX_BYTES) throw unavailable(`The backend's answer is over ${MAX_BYTES} bytes`, false);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function accepted(answer: Answer): Answer {
  const { status } = answer;
  if (status >= 200 && status < 300) return answer;
  const isPassing = status >= 500 || status === 429 || status === 408;
  throw unavailable(`The backend answered with status ${status}`, isPassing);
}

/** Any page may answer with 200: only the backend's own words count. */
function isHealthy(answer: Answer): boolean {
  const health = healthSchema.safeParse(jsonIn(answer.body)).data;
  return health !== undefined && WELL.has(health.status.toLowerCase()) && health.storage !== 'disconnected';
}

function notConfigured(): AppError {
  return new AppError('backend-unavailable', 'There is no backend to ask', {
    hint: 'Set BACKEND_URL to compare with what the application counts.',
  });
}

function unavailable(message: string, transient: boolean, cause?: unknown): AppError {
  return new AppError('backend-unavailable', message, {
    hint: 'Check BACKEND_URL, and that GET /health of the Soulcaster backend answers from here.',
    transient,
    ...(cause === undefined ? {} : { cause }),
  });
}
