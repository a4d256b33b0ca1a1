import { randomBytes } from 'node:crypto';
import { serveHttp } from '../stand-in-server.js';
import { callCounter } from './counts.js';
import type { GeminiCounts } from './counts.js';
import { NO_FAULTS } from './faults.js';
import type { GeminiFaults } from './faults.js';
import { dayQuota, minuteLimiter } from './limiter.js';
import { answer } from './server.js';
import type { Service } from './serve.js';
import { hashVectors, modelVectors } from './vectors.js';

export type { GeminiCounts, GeminiFaults };
export type { CallFault, GeminiCall, VectorFault } from './faults.js';

export interface GeminiOptions {
  /** Default: a random key. */
  readonly apiKey?: string;
  /** Default: a free port. */
  readonly port?: number;
  /** Known models; default `gemini-embedding-001` and `gemini-embedding-2`. Each has a separate vector space. */
  readonly models?: readonly string[];
  /**
   * `model`: a small model for English, about 40 ms of CPU per text, so that searches find related texts. `hash`:
   * pseudo-random vectors that depend on the text alone, for many texts. Default `model`.
   */
  readonly vectors?: 'model' | 'hash';
  /** Wait before every answer, in real milliseconds. Default 0. */
  readonly delayMs?: number;
  /** Rate limit: more texts within a clock minute are answered with 429. Default: none. */
  readonly textsPerMinute?: number;
  /** The same for tokens, of 4 characters each: a single call above the limit is always refused. Default: none. */
  readonly tokensPerMinute?: number;
  /** Daily quota of texts, until `renewDay`. Default: none. */
  readonly textsPerDay?: number;
  /** Shortens the minute by this factor; RetryInfo keeps the vendor's scale. Default 1. */
  readonly speed?: number;
  readonly faults?: Partial<GeminiFaults>;
}

export interface Gemini extends GeminiCounts {
  /** Base URL, without the version of the API. */
  readonly url: string;
  readonly apiKey: string;
  /** Sets the given faults; others stay. */
  setFaults(faults: Partial<GeminiFaults>): void;
  /** Starts the next day of the quota `textsPerDay`. */
  renewDay(): void;
  /** Cuts open connections and closes the port. May be called more than once. */
  stop(): Promise<void>;
}

/**
 * A stand-in for the Gemini API's embeddings on 127.0.0.1: `POST /v1beta/models/{model}:batchEmbedContents` and
 * `:embedContent`.
 *
 * Modelled: the API key as header or parameter; unknown models; 1 to 100 requests per batch and 4 MiB per call, which fails
 * as a whole for one bad text; empty texts; `outputDimensionality` of 128 to 3,072 (default 3,072) with vectors that
 * are not of unit length below 3,072; silent truncation after 2,048 tokens (of 4 characters); a rate limit for texts, one for
 * tokens and a daily quota; Google's error bodies; NaN as protobuf's JSON writes it; and, on demand, the faults of
 * `GeminiFaults`.
 *
 * Not modelled: Google's vectors (the model is the Universal Sentence Encoder lite, 512 dimensions, which reads the first 240
 * characters; above 512 dimensions the whole text adds a little noise, so that texts differ), task types and titles, which
 * are accepted and ignored, other methods, and the exact wording of every message.
 */
export async function startGemini(options: GeminiOptions = {}): Promise<Gemini> {
  const apiKey = options.apiKey ?? randomBytes(24).toString('base64url');
  const counter = callCounter();
  const today = dayQuota(options.textsPerDay ?? Infinity);
  let faults: GeminiFaults = { ...NO_FAULTS, ...options.faults };
  const service: Service = {
    apiKey,
    models: options.models ?? ['gemini-embedding-001', 'gemini-embedding-2'],
    delayMs: options.delayMs ?? 0,
    embed: options.vectors === 'hash' ? hashVectors : modelVectors,
    limiter: minuteLimiter(options.textsPerMinute ?? Infinity, options.speed ?? 1),
    tokenLimiter: minuteLimiter(options.tokensPerMinute ?? Infinity, options.speed ?? 1),
    today,
    counter,
    faults: () => faults,
  };
  const server = await serveHttp((request, response) => answer(service, request, response), options.port);
  return {
    ...server,
    apiKey,
    ...counter.counts,
    renewDay: () => today.renew(),
    setFaults: (changed) => (faults = { ...faults, ...changed }),
  };
}
