import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { serveHttp, bodyOf } from '../stand-in-server.js';
import {
  callCounter,
  type GeminiCounts,
  NO_FAULTS,
  type GeminiFaults,
  dayQuota,
  minuteLimiter,
  type Service,
  serve,
} from './service.js';
import { hashVectors, modelVectors } from './vectors.js';
import {
  GoogleError,
  invalidArgumentError,
  missingKeyError,
  noPermissionError,
  serverError,
  unknownModelError,
  wrongKeyError,
  MAX_BODY_BYTES,
  parseBatch,
  parseSingle,
} from './requests.js';

export type { GeminiCounts, GeminiFaults };
export type { CallFault, GeminiCall, VectorFault } from './service.js';

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

/** Answers one request of the API. */
async function answer(service: Service, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    await call(service, request, response);
  } catch (error) {
    if (response.headersSent) throw error;
    const refusal = error instanceof GoogleError ? error : serverError(500);
    send(response, refusal.code, JSON.stringify(refusal.body(), null, 2));
  }
}

async function call(service: Service, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const bytes = await bodyOf(request, MAX_BODY_BYTES);
  if (typeof bytes === 'number') {
    throw invalidArgumentError(`Request payload size exceeds the limit: ${MAX_BODY_BYTES} bytes.`);
  }
  const body = bytes.toString('utf8');
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  checkKey(request.headers['x-goog-api-key'] ?? url.searchParams.get('key'), service.apiKey);
  const known = /^\/v1beta\/models\/([^/:]+)$/.exec(url.pathname)?.[1];
  if (request.method === 'GET' && known !== undefined) {
    showModel(response, service, known);
    return;
  }
  const [, model = '', method = ''] =
    /^\/v1beta\/models\/([^/:]+):(batchEmbedContents|embedContent)$/.exec(url.pathname) ?? [];
  if (request.method !== 'POST' || method === '') throw new GoogleError(404, 'NOT_FOUND', 'Not Found');
  if (!service.models.includes(model)) throw unknownModelError(model, method);
  const batch = method === 'batchEmbedContents';
  const outcome = await serve(service, model, batch ? parseBatch(body, model) : [parseSingle(body)]);
  if ('body' in outcome) send(response, 200, outcome.body);
  else if ('silence' in outcome) breakConnection(response, outcome.silence);
  else {
    send(response, 200, batch ? batchAnswer(outcome.embeddings) : singleAnswer(outcome.embeddings));
  }
}

/** Not counted by the limits; faults of calls apply. */
function showModel(response: ServerResponse, service: Service, model: string): void {
  const fault = service.faults().call({ index: -1, texts: [] });
  if (fault === 'hang' || fault === 'reset') breakConnection(response, fault);
  else if (typeof fault === 'number') throw serverError(fault);
  else if (fault === 'denied') throw noPermissionError();
  else if (!service.models.includes(model)) throw unknownModelError(model, 'getModel');
  else {
    const methods = ['embedContent', 'countTextTokens', 'asyncBatchEmbedContent'];
    send(response, 200, JSON.stringify({ name: `models/${model}`, supportedGenerationMethods: methods }));
  }
}

function checkKey(given: string | string[] | null, apiKey: string): void {
  if (given === null || given === '') throw missingKeyError();
  if (given !== apiKey) throw wrongKeyError();
}

/** Assembled from bytes, because a string of a hundred vectors would have to be encoded again. */
function batchAnswer(embeddings: readonly Buffer[]): Buffer {
  const parts = embeddings.flatMap((values, at) => [Buffer.from(at === 0 ? '{"values":' : '},{"values":'), values]);
  const end = embeddings.length === 0 ? ']}' : '}]}';
  return Buffer.concat([Buffer.from('{"embeddings":['), ...parts, Buffer.from(end)]);
}

function singleAnswer([values = Buffer.from('[]')]: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from('{"embedding":{"values":'), values, Buffer.from('}}')]);
}

function send(response: ServerResponse, status: number, body: string | Buffer): void {
  response.writeHead(status, {
    'content-type': 'application/json; charset=UTF-8',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

function breakConnection(response: ServerResponse, silence: 'hang' | 'reset' | 'half-reply'): void {
  if (silence === 'reset') response.socket?.resetAndDestroy();
  if (silence !== 'half-reply') return;
  response.writeHead(200, { 'content-type': 'application/json; charset=UTF-8', 'content-length': 1_000_000 });
  response.write('{"embeddings": [{"values": [0.1', () => response.destroy());
}
