import type { Qstash } from '../qstash/index.js';
import type { UpstashRedisStandIn } from '../upstash-redis/index.js';
import type { Gemini } from '../gemini/index.js';
import type { UpstashVectorStandIn } from '../upstash-vector/index.js';
import type { StackSecrets } from './secrets.js';
import type { StackStore } from './store.js';

export interface StackParts {
  readonly redis: UpstashRedisStandIn;
  readonly scratch: UpstashRedisStandIn;
  readonly queue: Qstash;
  readonly store: StackStore;
  readonly vector: UpstashVectorStandIn;
  readonly gemini: Gemini;
  readonly publicUrl: string;
  readonly secrets: StackSecrets;
}

/** All variables that functions and the command line need to work with a stack. */
export function variablesOf(parts: StackParts): Record<string, string> {
  const { redis, scratch, queue, store, vector, gemini, publicUrl, secrets } = parts;
  return {
    UPSTASH_REDIS_REST_URL: redis.url,
    UPSTASH_REDIS_REST_TOKEN: redis.token,
    DRILL_REDIS_REST_URL: scratch.url,
    DRILL_REDIS_REST_TOKEN: scratch.token,
    ...store.variables,
    QSTASH_URL: queue.url,
    QSTASH_TOKEN: queue.token,
    QSTASH_CURRENT_SIGNING_KEY: queue.currentSigningKey,
    QSTASH_NEXT_SIGNING_KEY: queue.nextSigningKey,
    PUBLIC_URL: publicUrl,
    UPSTASH_VECTOR_REST_URL: vector.url,
    UPSTASH_VECTOR_REST_TOKEN: vector.token,
    GEMINI_API_KEY: gemini.apiKey,
    GEMINI_BASE_URL: gemini.url,
    CRON_SECRET: secrets.cronSecret,
    ADMIN_TOKEN: secrets.adminToken,
    RESTORE_WEBHOOK_SECRET: secrets.webhookSecret,
    BACKUP_SIGNING_KEY: secrets.manifestKey,
    // Local stand-ins have no status pages.
    PROVIDER_STATUS_URLS: 'off',
  };
}

/** Variables as text that a shell can source and `--env-file` can read. None of the values holds a quote. */
export function envFileText(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}="${value}"\n`)
    .join('');
}
