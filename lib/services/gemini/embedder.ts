import { createHash } from 'node:crypto';
import { GoogleGenerativeAI, GoogleGenerativeAIFetchError, type EmbedContentRequest } from '@google/generative-ai';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Embedder, EmbedderLimits } from '../../ports/embedder.js';
import { brokenAnswerError, refusalError, unavailableError } from './failures.js';
import type { EmbedderKind } from '../embedder-kind.js';
import { callRest, checkToken } from '../rest.js';
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
  /** Limits of the key and the model; default: unknown. */
  readonly limits?: EmbedderLimits;
  readonly clock: Clock;
  /** For an unavailable service; a rate limit is never waited for here. Default: 3 attempts. */
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

/** The package sends this field, but its types lack it. */
interface SizedRequest extends EmbedContentRequest {
  readonly outputDimensionality: number;
}

/**
 * Gemini's embeddings through `batchEmbedContents`, without a task type, as in Soulcaster. Below 3,072 dimensions the
 * vectors are not of unit length.
 *
 * A rate limit ends the call at once: the caller that schedules the work is the one to wait. Its `retryAfterMs` is the
 * RetryInfo of the answer; the vendor's package hides the Retry-After header. A daily quota is renewed at midnight Pacific
 * time. An empty or too long list of texts throws `internal`; a malformed key, or dimensions that the models do not have,
 * throw `config` at once. Source: ai.google.dev/api/embeddings, ai.google.dev/gemini-api/docs/rate-limits
 */
export function geminiEmbedder(options: GeminiEmbedderOptions): Embedder {
  const { clock, model = DEFAULT_MODEL, dimensions = DEFAULT_DIMENSIONS, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  checkDimensions(dimensions);
  const client = new GoogleGenerativeAI(checkToken(options.apiKey, 'GEMINI_API_KEY')).getGenerativeModel(
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
      return parseVectors(await call, texts.length);
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
    ...(Object.hasOwn(MODELS, model) ? (MODELS[model] ?? UNKNOWN) : UNKNOWN),
    // Quotas belong to a Google project and a model; a key does not show its project.
    quotaKey: `${model}-${createHash('sha256').update(options.apiKey).digest('hex').slice(0, 12)}`,
    limits: options.limits ?? NO_LIMITS,

    async reach() {
      await withRetry(clock, () => reachOnce({ ...options, model, timeoutMs }), options.retry ?? RETRY);
    },

    async embed(texts) {
      checkCount(texts.length);
      const result = await withRetry(clock, () => embedOnce(texts).catch(returnRateLimit), options.retry ?? RETRY);
      if (result instanceof AppError) throw result;
      return result;
    },
  };
}

/** The package has no such call: GET /v1beta/models/{model} (https://ai.google.dev/api/models#method:-models.get). */
async function reachOnce({ apiKey, baseUrl, clock, model, timeoutMs }: ReachOptions): Promise<void> {
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

type ReachOptions = Pick<GeminiEmbedderOptions, 'apiKey' | 'baseUrl' | 'clock'> & {
  readonly model: string;
  readonly timeoutMs: number;
};

/** Exempts a rate limit from the retries, which follow every transient error. */
function returnRateLimit(error: unknown): AppError {
  if (error instanceof AppError && error.code === 'embedder-limit') return error;
  throw error;
}

/** The package has its own timeout, whose timer keeps the process alive after the answer. */
function startDeadline(ms: number): { readonly signal: AbortSignal; clear(): void } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
}

/** Vendor errors quote addresses, requests and answers: their text is never passed on, not even as a cause. */
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

/** Fixed properties of a Gemini model. */
interface ModelFacts {
  /** Most tokens of one text that the model reads. */
  readonly maxTextTokens: number;
  /** US dollars per million tokens; null: unknown. */
  readonly usdPerMillionTokens: number | null;
}

/** Most texts in one call, for every model (https://ai.google.dev/gemini-api/docs/embeddings). */
const MAX_TEXTS = 100;
/** Dimensions of every model. */
const DIMENSIONS = { least: 128, most: 3072 } as const;

const SECOND: ModelFacts = { maxTextTokens: 8_192, usdPerMillionTokens: 0.2 };

/**
 * The known models. Sources: ai.google.dev/gemini-api/docs/embeddings and /pricing, November 2026. Both take one content
 * per text in `batchEmbedContents` and return one vector for each; several parts in one content would give one vector. No
 * task type is sent: the first model takes it as a field, the second as words before the text, and Soulcaster sends none.
 * Vectors of the first model are not of length 1 below 3,072 dimensions.
 */
const MODELS: Readonly<Record<string, ModelFacts>> = {
  'gemini-embedding-001': { maxTextTokens: 2_048, usdPerMillionTokens: 0.15 },
  'gemini-embedding-2': SECOND,
  'gemini-embedding-2-preview': SECOND,
};

/** An unknown model reads at least as much as the first; its price is unknown. */
const UNKNOWN: ModelFacts = { maxTextTokens: 2_048, usdPerMillionTokens: null };

/**
 * The vectors of an answer of `batchEmbedContents`, `{embeddings: [{values: number[]}]}`. Numbers that are not finite are
 * the strings "NaN", "Infinity" and "-Infinity" in protobuf's JSON. They are returned, and so is an empty vector: each
 * concerns one text alone. An answer of another shape, or with another number of vectors, throws `embedder-unavailable`.
 */
function parseVectors(answer: unknown, count: number): Float32Array[] {
  if (!hasEmbeddings(answer)) throw brokenAnswerError('an answer of another shape');
  const { embeddings } = answer;
  if (embeddings.length !== count) throw brokenAnswerError(`${embeddings.length} of ${count} vectors`);
  return embeddings.map(parseVector);
}

function parseVector(embedding: unknown): Float32Array {
  if (typeof embedding !== 'object' || embedding === null) throw brokenAnswerError('an embedding of another shape');
  // Protobuf's JSON leaves an empty list out.
  const values: unknown = 'values' in embedding ? embedding.values : [];
  if (!Array.isArray(values)) throw brokenAnswerError('an embedding of another shape');
  // Float32Array.from with a function takes several times as long.
  const vector = new Float32Array(values.length);
  for (let at = 0; at < vector.length; at++) vector[at] = parseComponent(values[at]);
  return vector;
}

const NOT_FINITE = ['NaN', 'Infinity', '-Infinity'];

function parseComponent(value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'string' && NOT_FINITE.includes(value)) return Number(value);
  throw brokenAnswerError('an embedding with values that are no numbers');
}

function hasEmbeddings(answer: unknown): answer is { readonly embeddings: readonly unknown[] } {
  return typeof answer === 'object' && answer !== null && 'embeddings' in answer && Array.isArray(answer.embeddings);
}
