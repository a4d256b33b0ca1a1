import { createHash } from 'node:crypto';
import { GoogleGenerativeAI, GoogleGenerativeAIFetchError, type EmbedContentRequest } from '@google/generative-ai';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Embedder, EmbedderLimits } from '../../ports/embedder.js';
import { brokenAnswerError, refusalError, unavailableError } from './failures.js';
import type { EmbedderKind } from '../embedder-kind.js';
import { callRest, headerSafe } from '../rest.js';
import { withRetry, type RetryPolicy } from '../retry.js';
import { baseUrl, secret } from '../../variable-forms.js';

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

export const geminiKind = {
  key: 'GEMINI_API_KEY',
  shape: { GEMINI_API_KEY: secret.optional(), GEMINI_BASE_URL: baseUrl.optional() },
  open: ({ GEMINI_API_KEY: apiKey = '', GEMINI_BASE_URL: url }, options) =>
    geminiEmbedder({ apiKey, ...options, ...(url === undefined ? {} : { baseUrl: url }) }),
} as const satisfies EmbedderKind;

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
  const client = new GoogleGenerativeAI(headerSafe(options.apiKey, 'GEMINI_API_KEY')).getGenerativeModel(
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

/** What is fixed about a model of Gemini's. */
interface ModelFacts {
  /** Tokens of one text that it reads. */
  readonly maxTextTokens: number;
  /** US dollars for a million tokens; null: not known. */
  readonly usdPerMillionTokens: number | null;
}

/** Most texts in one call, for every model (https://ai.google.dev/gemini-api/docs/embeddings). */
const MAX_TEXTS = 100;
/** Of every model. */
const DIMENSIONS = { least: 128, most: 3072 } as const;

const SECOND: ModelFacts = { maxTextTokens: 8_192, usdPerMillionTokens: 0.2 };

/**
 * The models that are known; adding one is a line. Sources: ai.google.dev/gemini-api/docs/embeddings and /pricing,
 * November 2026. Both take one content for each text in `batchEmbedContents` and give one vector for each; several parts in
 * one content would be one vector. Neither is asked with a task type: the first takes it as a field, the second as words
 * in front of the text, and Soulcaster gives none. Vectors of the first are not of length 1 below 3,072 dimensions.
 */
const MODELS: Readonly<Record<string, ModelFacts>> = {
  'gemini-embedding-001': { maxTextTokens: 2_048, usdPerMillionTokens: 0.15 },
  'gemini-embedding-2': SECOND,
  'gemini-embedding-2-preview': SECOND,
};

/** One that is not known reads at least as much as the first, at a price that is not known. */
const UNKNOWN: ModelFacts = { maxTextTokens: 2_048, usdPerMillionTokens: null };

function factsOf(model: string): ModelFacts {
  return Object.hasOwn(MODELS, model) ? (MODELS[model] ?? UNKNOWN) : UNKNOWN;
}

/**
 * The vectors of an answer of `batchEmbedContents`, `{embeddings: [{values: number[]}]}`. Numbers that are not finite
 * come as protobuf's JSON writes them, as the strings "NaN", "Infinity" and "-Infinity", and are handed on, as an empty
 * vector is: they are the trouble of one text. An answer of another shape, or with another number of vectors, throws `embedder-unavailable`.
 */
function vectorsIn(answer: unknown, count: number): Float32Array[] {
  if (!hasEmbeddings(answer)) throw brokenAnswerError('an answer of another shape');
  const { embeddings } = answer;
  if (embeddings.length !== count) throw brokenAnswerError(`${embeddings.length} of ${count} vectors`);
  return embeddings.map(vectorIn);
}

function vectorIn(embedding: unknown): Float32Array {
  if (typeof embedding !== 'object' || embedding === null) throw brokenAnswerError('an embedding of another shape');
  // Protobuf's JSON leaves an empty list out.
  const values: unknown = 'values' in embedding ? embedding.values : [];
  if (!Array.isArray(values)) throw brokenAnswerError('an embedding of another shape');
  // Float32Array.from with a function takes several times as long.
  const vector = new Float32Array(values.length);
  for (let at = 0; at < vector.length; at++) vector[at] = component(values[at]);
  return vector;
}

const NOT_FINITE = ['NaN', 'Infinity', '-Infinity'];

function component(value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'string' && NOT_FINITE.includes(value)) return Number(value);
  throw brokenAnswerError('an embedding with values that are no numbers');
}

function hasEmbeddings(answer: unknown): answer is { readonly embeddings: readonly unknown[] } {
  return typeof answer === 'object' && answer !== null && 'embeddings' in answer && Array.isArray(answer.embeddings);
}
