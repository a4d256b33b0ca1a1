import type { Clock, Ports } from '../../ports/index.js';
import type { VectorIndex, VectorIndexInfo } from '../../ports/vector-index.js';
import type { Elsewhere } from '../../reindex/context.js';
import type { Beside } from '../../reindex/model.js';
import { systemClock } from '../../services/clock.js';
import { openEmbedder } from '../../services/embedders.js';
import type { RetryPolicy } from '../../services/retry.js';
import { upstashVector } from '../../services/upstash-vector/index.js';
import { loadConfig, type Config, type Environment } from '../config.js';

const clock: Clock = systemClock();

/** The retry policy; each service has its own default. */
export interface RetryOption {
  readonly retry?: RetryPolicy;
}

/** The index that the application uses. */
export function connectVectors(config: Config<'vector'>['vector'], retry: RetryOption): Ports['vectors'] {
  return withNamespaceSuffix(connectPlainVectors(config, retry), config.VECTOR_NAMESPACE_SUFFIX ?? '');
}

function connectPlainVectors(config: Config<'vector'>['vector'], retry: RetryOption = {}): Ports['vectors'] {
  const { UPSTASH_VECTOR_REST_TOKEN: token, UPSTASH_VECTOR_REST_URL: url } = config;
  return upstashVector({ url, token, clock, ...retry });
}

/** The second index, in which a re-index may build a new generation of vectors. Throws `config`. */
export function connectNextIndex(env: Environment): Ports['vectors'] {
  const { UPSTASH_VECTOR_NEXT_REST_TOKEN: token, UPSTASH_VECTOR_NEXT_REST_URL: url } = loadConfig(env, [
    'vectorNext',
  ]).vectorNext;
  return upstashVector({ url, token, clock });
}

/** Indexes and models other than the application's, each connected once. */
export function connectElsewhere(env: Environment): Elsewhere {
  const { embedder, vector } = loadConfig(env, ['embedder', 'vector']);
  const indexes = new Map<Beside['index'], Ports['vectors']>();
  const embedders = new Map<string, Ports['embedder']>();
  return {
    indexOf({ index, suffix }) {
      const known = indexes.get(index) ?? (index === 'next' ? connectNextIndex(env) : connectPlainVectors(vector));
      indexes.set(index, known);
      return withNamespaceSuffix(known, suffix);
    },
    embedderOf({ dimensions, model }) {
      const key = `${model} ${dimensions}`;
      const known = embedders.get(key) ?? connectEmbedder(embedder, {}, model, dimensions);
      embedders.set(key, known);
      return known;
    },
  };
}

/** `model` and `dimensions` override the configured ones. */
export function connectEmbedder(
  config: Config<'embedder'>['embedder'],
  retry: RetryOption,
  model = config.EMBEDDING_MODEL,
  dimensions = config.EMBEDDING_DIMENSIONS,
): Ports['embedder'] {
  return openEmbedder(config, {
    model,
    dimensions,
    limits: {
      textsPerMinute: config.EMBEDDING_TEXTS_PER_MINUTE ?? null,
      tokensPerMinute: config.EMBEDDING_TOKENS_PER_MINUTE ?? null,
      textsPerDay: dailyLimit(config.EMBEDDING_TEXTS_PER_DAY),
    },
    clock,
    ...retry,
  });
}

/** A variable of 0 means no limit; an unset one means the vendor's default. */
export function dailyLimit(limit: number | undefined): number | null {
  return limit === 0 ? Infinity : (limit ?? null);
}

/**
 * A view of an index on the namespaces with a suffix, which callers name without it: a generation of vectors that is built
 * beside another is read and written as if it were alone. With an empty suffix, the index itself.
 */
export function withNamespaceSuffix(index: VectorIndex, suffix: string): VectorIndex {
  if (suffix === '') return index;
  const named = (namespace: string): string => `${namespace}${suffix}`;
  return {
    place: { ...index.place, suffix },
    info: async () => stripSuffix(await index.info(), suffix),
    upsert: (namespace, vectors) => index.upsert(named(namespace), vectors),
    fetch: (namespace, ids) => index.fetch(named(namespace), ids),
    range: (namespace, cursor, limit) => index.range(named(namespace), cursor, limit),
    query: (namespace, values, count) => index.query(named(namespace), values, count),
    remove: (namespace, ids) => index.remove(named(namespace), ids),
  };
}

function stripSuffix({ dimensions, metric, namespaces }: VectorIndexInfo, suffix: string): VectorIndexInfo {
  const own = Object.entries(namespaces).filter(([name]) => name.endsWith(suffix));
  const stripped = own.map(([name, counts]) => [name.slice(0, -suffix.length), counts] as const);
  return { dimensions, metric, namespaces: Object.fromEntries(stripped) };
}
