import { databaseHost } from '../upstash-redis/redis.js';
import { createHash } from 'node:crypto';
import { Index } from '@upstash/vector';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { StoredVector, VectorIndex } from '../../ports/vector-index.js';
import { DEFAULT_RETRY, type RetryPolicy } from '../retry.js';
import { toInfo, toMatches, toPage, toVectors } from './answers.js';
import { callerError, NamespaceMissing } from './failures.js';
import { apiUrl, headerSafe } from '../rest.js';
import { vectorRequester } from './requester.js';

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
/** Most vectors that a request reads or writes (upstash.com/docs/devops/developer-api/vector/get_index). */
const MOST = 1_000;
/** This many decimal places tell the components of a vector of length 1 apart. */
const DECIMALS = 1e10;
/** Digits that tell any two 32-bit floats apart; more would double the size of a request. */
const FLOAT32_DIGITS = 9;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Upstash Vector over its REST API, through the vendor's SDK with a transport of our own.
 *
 * A namespace goes percent-encoded into the path, which the SDK does not do; `.` and `..` cannot, since a URL takes
 * them for folders, nor can text with half a surrogate pair: both throw `invalid`. A request is sent again after a
 * transient failure: all of them are idempotent. Besides the port's errors, a request that Upstash refuses for another
 * reason throws `vector-unavailable` that is not transient, a call that breaks the contract throws `internal`, and a
 * URL or token that cannot be one throws `config` at once. Source: upstash.com/docs/vector/api/endpoints
 */
export function upstashVector(options: UpstashVectorOptions): VectorIndex {
  const index = new Index(
    vectorRequester({
      url: apiUrl(options.url, 'UPSTASH_VECTOR_REST_URL'),
      token: headerSafe(options.token, 'UPSTASH_VECTOR_REST_TOKEN'),
      clock: options.clock,
      retry: options.retry ?? DEFAULT_RETRY,
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    }),
  );

  return {
    place: { index: hashOf(databaseHost(options.url)), suffix: '' },

    async info() {
      return toInfo(await index.info());
    },

    async upsert(namespace, vectors) {
      atMost(vectors.length, 0);
      const inside = { namespace: segment(namespace) };
      // The SDK takes an empty list for texts that are yet to be embedded.
      if (vectors.length > 0) await index.upsert(vectors.map(toItem), inside);
    },

    async fetch(namespace, ids) {
      atMost(ids.length, 0);
      const inside = { namespace: segment(namespace) };
      if (ids.length === 0) return [];
      const asked = index.fetch([...ids], { ...inside, includeVectors: true, includeMetadata: true });
      return toVectors(await orIfMissing(asked, new Array<null>(ids.length).fill(null)), ids);
    },

    async range(namespace, cursor, limit) {
      atMost(limit, 1);
      const from = cursor ?? '0';
      const asked = index.range({ cursor: from, limit, includeMetadata: true }, { namespace: segment(namespace) });
      return toPage(await orIfMissing(asked, { nextCursor: '', vectors: [] }), from);
    },

    async query(namespace, values, count) {
      atMost(count, 1);
      const vector = toNumbers(values);
      const asked = index.query({ vector, topK: count, includeMetadata: true }, { namespace: segment(namespace) });
      return toMatches(await orIfMissing(asked, []));
    },

    async remove(namespace, ids) {
      const inside = { namespace: segment(namespace) };
      if (ids === 'all') {
        await orIfMissing(index.reset(inside), 'Success');
        return;
      }
      atMost(ids.length, 0);
      if (ids.length > 0) await orIfMissing(index.delete([...ids], inside), { deleted: 0 });
    },
  };
}

function hashOf(host: string): string {
  return createHash('sha256').update(host).digest('hex').slice(0, 16);
}

/** Answers are left `unknown`: the SDK's types are promises that nobody keeps. */
async function orIfMissing(asked: Promise<unknown>, empty: unknown): Promise<unknown> {
  try {
    return await asked;
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
  for (let at = 0; at < values.length; at++) numbers[at] = shortest(values[at] ?? 0);
  return numbers;
}

/** A number with few digits that is the same 32-bit float. Rounding does for nearly all, at a third of toPrecision's cost. */
function shortest(value: number): number {
  if (!Number.isFinite(value)) throw callerError('A vector has a value that is no finite number');
  const rounded = Math.round(value * DECIMALS) / DECIMALS;
  return Math.fround(rounded) === value ? rounded : Number(value.toPrecision(FLOAT32_DIGITS));
}

function atMost(count: number, least: number): void {
  if (Number.isInteger(count) && count >= least && count <= MOST) return;
  throw callerError(`Upstash Vector was to be asked for ${count} vectors at once; ${least} to ${MOST} are possible`);
}
