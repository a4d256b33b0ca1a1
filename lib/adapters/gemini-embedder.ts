import { GoogleGenerativeAI, GoogleGenerativeAIFetchError } from '@google/generative-ai';
import type { EmbedContentRequest } from '@google/generative-ai';
import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { Embedder } from '../ports/embedder.js';
import { brokenAnswerError, refusalError, unavailableError } from './gemini-embedder/failures.js';
import { vectorsIn } from './gemini-embedder/vectors.js';
import { withRetry, type RetryPolicy } from './retry.js';

export interface GeminiEmbedderOptions {
  readonly apiKey: string;
  /** Default the vendor's, `https://generativelanguage.googleapis.com`. */
  readonly baseUrl?: string;
  /** Default `gemini-embedding-001`, Soulcaster's. */
  readonly model?: string;
  /** 128 to 3,072; default 768, Soulcaster's. */
  readonly dimensions?: number;
  readonly clock: Clock;
  /** Of what is unavailable; a rate limit is never waited for here. Default: 3 tries. */
  readonly retry?: RetryPolicy;
  /** For one request with its reply. Default 30 s. */
  readonly timeoutMs?: number;
}

/** Most texts in one call (https://ai.google.dev/gemini-api/docs/embeddings). */
const MAX_TEXTS = 100;
const DEFAULT_MODEL = 'gemini-embedding-001';
const DEFAULT_DIMENSIONS = 768;
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
    async embed(texts) {
      checkCount(texts.length);
      const result = await withRetry(clock, () => embedOnce(texts).catch(rateLimitAsResult), options.retry ?? RETRY);
      if (result instanceof AppError) throw result;
      return result;
    },
  };
}

/** Takes a rate limit out of the retries, which follow every transient error. */
function rateLimitAsResult(error: unknown): AppError {
  if (error instanceof AppError && error.code === 'embedder-limit') return error;
  throw error;
}

/** The package has a timeout of its own, whose timer keeps the process alive after the answer. */
function startDeadline(ms: number): { readonly signal: AbortSignal; clear(): void } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
}

/** Vendor errors quote addresses, requests and answers: nothing of their text goes on, not even as a cause. */
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
  if (Number.isInteger(dimensions) && dimensions >= 128 && dimensions <= 3072) return;
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
