import { isAscii } from 'node:buffer';
import { createHash } from 'node:crypto';
import { Index, type Requester } from '@upstash/vector';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { StoredVector, VectorIndex } from '../../ports/vector-index.js';
import { checkApiUrl, checkToken, networkCode, parseJson, readBytes } from '../rest.js';
import { DEFAULT_RETRY, parseRetryAfter, withRetry, type RetryPolicy } from '../retry.js';
import { databaseHost } from '../upstash-redis/redis.js';
import {
  callerError,
  emptyAnswerError,
  NamespaceMissing,
  refusalError,
  toInfo,
  toMatches,
  toPage,
  toVectors,
  unavailableError,
} from './answers.js';

export interface UpstashVectorOptions {
  /** `UPSTASH_VECTOR_REST_URL`: https://..., or http:// for a stand-in. */
  readonly url: string;
  readonly token: string;
  readonly clock: Clock;
  /** Default: DEFAULT_RETRY. */
  readonly retry?: RetryPolicy;
  /** For one request with its reply. Default 30 s. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** Most vectors in one request (upstash.com/docs/devops/developer-api/vector/get_index). */
const MAX_VECTORS = 1_000;
/** This many decimal places distinguish the components of a vector of length 1. */
const DECIMALS = 1e10;
/** Digits that distinguish any two 32-bit floats; more would make a request twice as large. */
const FLOAT32_DIGITS = 9;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Upstash Vector over its REST API, through the vendor's SDK with a transport of our own.
 *
 * A namespace is percent-encoded into the path, which the SDK does not do. `.` and `..`, which mean folders in a URL, and
 * text with half a surrogate pair cannot be encoded and throw `invalid`. A request is sent again after a transient failure:
 * all requests are idempotent. Besides the port's errors, a request that Upstash refuses for another reason throws
 * `vector-unavailable` that is not transient, a call that breaks the contract throws `internal`, and a malformed URL or
 * token throws `config` at once. Source: upstash.com/docs/vector/api/endpoints
 */
export function upstashVector(options: UpstashVectorOptions): VectorIndex {
  const index = new Index(
    vectorRequester({
      url: checkApiUrl(options.url, 'UPSTASH_VECTOR_REST_URL'),
      token: checkToken(options.token, 'UPSTASH_VECTOR_REST_TOKEN'),
      clock: options.clock,
      retry: options.retry ?? DEFAULT_RETRY,
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    }),
  );

  return {
    place: { index: createHash('sha256').update(databaseHost(options.url)).digest('hex').slice(0, 16), suffix: '' },

    async info() {
      return toInfo(await index.info());
    },

    async upsert(namespace, vectors) {
      assertCount(vectors.length, 0);
      const inside = { namespace: segment(namespace) };
      // The SDK would treat an empty list as texts to embed.
      if (vectors.length > 0) await index.upsert(vectors.map(toItem), inside);
    },

    async fetch(namespace, ids) {
      assertCount(ids.length, 0);
      const inside = { namespace: segment(namespace) };
      if (ids.length === 0) return [];
      const answer = index.fetch([...ids], { ...inside, includeVectors: true, includeMetadata: true });
      return toVectors(await emptyIfMissing(answer, new Array<null>(ids.length).fill(null)), ids);
    },

    async range(namespace, cursor, limit) {
      assertCount(limit, 1);
      const from = cursor ?? '0';
      const answer = index.range({ cursor: from, limit, includeMetadata: true }, { namespace: segment(namespace) });
      return toPage(await emptyIfMissing(answer, { nextCursor: '', vectors: [] }), from);
    },

    async query(namespace, values, count) {
      assertCount(count, 1);
      const vector = toNumbers(values);
      const answer = index.query({ vector, topK: count, includeMetadata: true }, { namespace: segment(namespace) });
      return toMatches(await emptyIfMissing(answer, []));
    },

    async remove(namespace, ids) {
      const inside = { namespace: segment(namespace) };
      if (ids === 'all') {
        await emptyIfMissing(index.reset(inside), 'Success');
        return;
      }
      assertCount(ids.length, 0);
      if (ids.length > 0) await emptyIfMissing(index.delete([...ids], inside), { deleted: 0 });
    },
  };
}

/** Answers are left `unknown`: the SDK does not check its types. */
async function emptyIfMissing(answer: Promise<unknown>, empty: unknown): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof NamespaceMissing) return empty;
    throw error;
  }
}

/** One segment of the path that decodes to the namespace. Without this, `reset/.` would empty the default one. */
function segment(namespace: string): string {
  if (namespace !== '.' && namespace !== '..' && !LONE_SURROGATE.test(namespace)) return encodeURIComponent(namespace);
  throw new AppError('invalid', 'A namespace of this name cannot be reached over the REST API of Upstash Vector', {
    hint: 'The id of the project is ".", ".." or no valid Unicode; vectors cannot be kept for such a project.',
  });
}

function toItem({ id, values, metadata }: StoredVector): {
  id: string;
  vector: number[];
  metadata: Record<string, string>;
} {
  return { id, vector: toNumbers(values), metadata: { ...metadata } };
}

function toNumbers(values: Float32Array): number[] {
  const numbers = new Array<number>(values.length);
  for (let at = 0; at < values.length; at++) numbers[at] = toShortNumber(values[at] ?? 0);
  return numbers;
}

/** A number with few digits that is the same 32-bit float. Rounding suffices for nearly all, at a third of toPrecision's cost. */
function toShortNumber(value: number): number {
  if (!Number.isFinite(value)) throw callerError('A vector has a value that is no finite number');
  const rounded = Math.round(value * DECIMALS) / DECIMALS;
  return Math.fround(rounded) === value ? rounded : Number(value.toPrecision(FLOAT32_DIGITS));
}

function assertCount(count: number, least: number): void {
  if (Number.isInteger(count) && count >= least && count <= MAX_VECTORS) return;
  throw callerError(`A request to Upstash Vector has ${count} vectors; ${least} to ${MAX_VECTORS} are possible`);
}

/** Larger than a thousand vectors of 3,072 dimensions with their metadata. */
const MAX_BYTES = 128 * 1024 * 1024;

/**
 * Sends the SDK's requests in place of its built-in client, which drops the status and Retry-After, retries network errors
 * alone, takes a timeout's reason for an answer, and for a proxy's page throws JSON's error, which quotes the body. This
 * one throws AppErrors and NamespaceMissing.
 */
function vectorRequester(options: Required<UpstashVectorOptions>): Requester {
  const { clock, retry } = options;

  async function requestOnce(path: string, body: string): Promise<unknown> {
    const answer = await exchange(options, path, body);
    const { result, error } = parse(answer.body);
    const text = typeof error === 'string' ? error : null;
    if (answer.status !== 200) {
      const retryAfterMs = parseRetryAfter(answer.retryAfter, clock.now());
      throw refusalError({ status: answer.status, retryAfterMs, text });
    }
    if (result === undefined || result === null) throw emptyAnswerError(text);
    return result;
  }

  return {
    request: async ({ path = [], body }) => {
      const result = await withRetry(clock, () => requestOnce(path.join('/'), JSON.stringify(body)), retry);
      // Each command of the SDK has its own result type; the adapter checks the actual value.
      return { result: result as never };
    },
  };
}

async function exchange(
  { url, token, timeoutMs }: Required<UpstashVectorOptions>,
  path: string,
  body: string,
): Promise<{ readonly status: number; readonly retryAfter: string | null; readonly body: string }> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(`${url}/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body,
      signal,
      // The token is for this host alone.
      redirect: 'manual',
    });
    const { status, headers } = response;
    return { status, retryAfter: headers.get('retry-after'), body: decodeText(await readBytes(response, MAX_BYTES)) };
  } catch (cause) {
    if (signal.aborted) throw unavailableError(`Upstash Vector did not answer within ${timeoutMs} ms`);
    throw unavailableError(`Upstash Vector could not be reached (${networkCode(cause) ?? 'network error'})`, { cause });
  }
}

/** Numbers are ASCII, which needs no decoding: decoding a megabyte as UTF-8 takes as long as parsing it. */
function decodeText(bytes: Buffer): string {
  return bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8');
}

function parse(text: string): Readonly<Record<string, unknown>> {
  const parsed = parseJson(text);
  return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
}
