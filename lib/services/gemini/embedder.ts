import { createHash } from 'node:crypto';
import { GoogleGenerativeAI, GoogleGenerativeAIFetchError } from '@google/generative-ai';
import type { EmbedContentRequest } from '@google/generative-ai';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Embedder, EmbedderLimits } from '../../ports/embedder.js';
import { brokenAnswerError, refusalError, unavailableError } from './failures.js';
import { DIMENSIONS, factsOf, MAX_TEXTS } from './models.js';
import { vectorsIn } from './vectors.js';
import { callRest } from '../rest.js';
import { withRetry, type RetryPolicy } from '../retry.js';

export interface GeminiEmbedderOptions {
  readonly apiKey: string;
  /** Default the vendor's, `https://generativelanguage.googleapis.com`. */
  readonly baseUrl?: string;
  /** Default `gemini-embedding-001`, Soulcaster's. */
  readonly model?: string;
  /** 128 to 3,072; default 768, Soulcaster's. */
  readonly dimensions?: number;
  /** Of the key and the model; default: not known. */
  readonly limits?: EmbedderLimits;
  readonly clock: Clock;
  /** Of what is unavailable; a rate limit is never waited for here. Default: 3 tries. */
  readonly retry?: RetryPolicy;
  /** For one request with its reply. Default 30 s. */
  readonly timeoutMs?: number;
}

const DEFAULT_MODEL = 'gemini-embedding-001';
const DEFAULT_DIMENSIONS = 768;
const NO_LIMITS: EmbedderLimits = { textsPerMinute: null, tokensPerMinute: null, textsPerDay: null };
const DEFAULT_TIMEOUT_MS = 30_000;
const RETRY: RetryPolicy = { attempts: 3, baseMs: 500, capMs: 8_000 };

/** The package sends this field as it is given; its types do not know it. */
interface SizedRequest extends EmbedContentRequest {
  readonly outputDimensionality: number;
}

/**
 * Gemini's embeddings through `batchEmbedContents`, without a task type, as Soulcaster asks for them. Below 3,072
 * dimensions the vectors are not of unit length.
 *
 * A rate limit ends the call at once: whoever hands out the work waits better than this process. Its `retryAfterMs` is
 * the RetryInfo of the answer; a Retry-After header is not shown by the vendor's package. A daily quota is over at
 * midnight Pacific time. Texts that are none or too many throw `internal`; a key that cannot be one, or dimensions that
 * the models do not have, throw `config` at once. Source: ai.google.dev/api/embeddings, ai.google.dev/gemini-api/docs/rate-limits
 */
export function geminiEmbedder(options: GeminiEmbedderOptions): Embedder {
  const { clock, model = DEFAULT_MODEL, dimensions = DEFAULT_DIMENSIONS, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  checkDimensions(dimensions);
  const client = new GoogleGenerativeAI(checkedKey(options.apiKey)).getGenerativeModel(
    { model },
    options.baseUrl === undefined ? {} : { baseUrl: options.baseUrl.replace(/\/+$/, '') },
  );

  const toRequest = (text: string): SizedRequest => ({
    content: { role: 'user', parts: [{ text }] },
    outputDimensionality: dimensions,
  });

  async function embedOnce(texts: readonly string[]): Promise<Float32Array[]> {
    const deadline = startDeadline(timeoutMs);
    try {
      const call = client.batchEmbedContents({ requests: texts.map(toRequest) }, { signal: deadline.signal });
      return vectorsIn(await call, texts.length);
    } catch (error) {
      if (error instanceof AppError) throw error;
      if (deadline.signal.aborted) throw unavailableError(`Gemini did not answer within ${timeoutMs} ms`);
      throw toEmbedderError(error, clock.now());
    } finally {
      deadline.clear();
    }
  }

  return {
    model,
    dimensions,
    maxBatch: MAX_TEXTS,
    ...factsOf(model),
    // Quotas are those of a Google project and a model; keys of one project cannot be told from those of another.
    quotaKey: `${model}-${createHash('sha256').update(options.apiKey).digest('hex').slice(0, 12)}`,
    limits: options.limits ?? NO_LIMITS,

    async reach() {
      await withRetry(clock, () => reachOnce({ ...options, model, timeoutMs }), options.retry ?? RETRY);
    },

    async embed(texts) {
      checkCount(texts.length);
      const result = await withRetry(clock, () => embedOnce(texts).catch(rateLimitAsResult), options.retry ?? RETRY);
      if (result instanceof AppError) throw result;
      return result;
    },
  };
}

/** The package has no call for it: GET /v1beta/models/{model} (https://ai.google.dev/api/models#method:-models.get). */
async function reachOnce({ apiKey, baseUrl, clock, model, timeoutMs }: Reaching): Promise<void> {
  const base = (baseUrl ?? 'https://generativelanguage.googleapis.com').replace(/\/+$/, '');
  const { json, status } = await callRest(
    { method: 'GET', url: `${base}/v1beta/models/${encodeURIComponent(model)}`, headers: { 'x-goog-api-key': apiKey } },
    timeoutMs,
    (why) => unavailableError(`Gemini ${why}`),
  );
  if (status >= 200 && status < 300) return;
  const { details, message } = ((json as { error?: unknown } | undefined)?.error ?? {}) as Record<string, unknown>;
  throw refusalError({ status, message: typeof message === 'string' ? message : '', details }, clock.now());
}

type Reaching = Pick<GeminiEmbedderOptions, 'apiKey' | 'baseUrl' | 'clock'> & {
  readonly model: string;
  readonly timeoutMs: number;
};

/** Takes a rate limit out of the retries, which follow every transient error. */
function rateLimitAsResult(error: unknown): AppError {
  if (error instanceof AppError && error.code === 'embedder-limit') return error;
  throw error;
}

/** The package has its own timeout, whose timer keeps the process alive after the answer. */
function startDeadline(ms: number): { readonly signal: AbortSignal; clear(): void } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
}

/** Vendor errors quote addresses, requests and answers: nothing of their text is passed on, not even as a cause. */
function toEmbedderError(error: unknown, now: number): AppError {
  if (error instanceof GoogleGenerativeAIFetchError && error.status !== undefined) {
    return refusalError({ status: error.status, message: error.message, details: error.errorDetails }, now);
  }
  if (error instanceof SyntaxError) return brokenAnswerError('something other than JSON');
  return unavailableError('Gemini cannot be reached');
}

function checkCount(count: number): void {
  if (count >= 1 && count <= MAX_TEXTS) return;
  throw new AppError('internal', `Gemini was to embed ${count} texts in one call`, {
    hint: `This is a defect in soulcaster-backup: a call takes 1 to ${MAX_TEXTS} texts.`,
  });
}

function checkDimensions(dimensions: number): void {
  if (Number.isInteger(dimensions) && dimensions >= DIMENSIONS.least && dimensions <= DIMENSIONS.most) return;
  throw new AppError('config', `Gemini has no embeddings of ${dimensions} dimensions`, {
    hint: 'Set EMBEDDING_DIMENSIONS to the dimension of the vector index, which is 128 to 3072; Soulcaster uses 768.',
  });
}

function checkedKey(key: string): string {
  // Fetch would refuse it as a header, and quote it in its error.
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new AppError('config', 'The API key for Gemini is empty or has spaces or line ends in it', {
    hint: 'Copy GEMINI_API_KEY again from Google AI Studio, without quotes or a line end.',
  });
}
