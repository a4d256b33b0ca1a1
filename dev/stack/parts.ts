import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { newSigningKey } from '../qstash/courier.js';
import type { Keys } from '../radosgw/cluster.js';
import { startRadosgw } from '../radosgw/index.js';
import type { Qstash } from '../qstash/index.js';
import type { UpstashRedisStandIn } from '../upstash-redis/index.js';
import type { Gemini } from '../gemini/index.js';
import type { UpstashVectorStandIn } from '../upstash-vector/index.js';

/** Cleanup steps, run in reverse order. */
export interface UndoList {
  push(undo: () => Promise<void>): void;
  /** Runs all steps once, even when one fails; then throws the first failure. */
  run(): Promise<void>;
}

export function undoList(): UndoList {
  const list: (() => Promise<void>)[] = [];
  return {
    push: (undo) => void list.push(undo),
    async run() {
      const failures: unknown[] = [];
      for (let undo = list.pop(); undo !== undefined; undo = list.pop()) {
        await undo().catch((error: unknown) => void failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** Credentials between the parts of a stack; random, and useless outside it. */
export interface StackSecrets {
  readonly redisToken: string;
  /** A token that may read but not list keys, to test refusals. */
  readonly redisReadOnlyToken: string;
  /** Token of the scratch database. */
  readonly scratchToken: string;
  readonly queueToken: string;
  readonly vectorToken: string;
  readonly geminiKey: string;
  readonly currentSigningKey: string;
  readonly nextSigningKey: string;
  readonly cronSecret: string;
  readonly adminToken: string;
  /** For requests to the restore webhook. */
  readonly webhookSecret: string;
  /** Ed25519, PKCS#8 as base64 of DER. */
  readonly manifestKey: string;
}

const TOKEN_BYTES = 24;

export function newSecrets(): StackSecrets {
  const token = (): string => randomBytes(TOKEN_BYTES).toString('base64url');
  const { privateKey } = generateKeyPairSync('ed25519');
  return {
    redisToken: token(),
    redisReadOnlyToken: token(),
    scratchToken: token(),
    queueToken: token(),
    vectorToken: token(),
    geminiKey: token(),
    currentSigningKey: newSigningKey(),
    nextSigningKey: newSigningKey(),
    cronSecret: token(),
    adminToken: token(),
    webhookSecret: `whsec_${randomBytes(TOKEN_BYTES).toString('base64')}`,
    manifestKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
  };
}

/** The object store of a stack, and the variables that configure it. */
export interface StackStore {
  readonly variables: Readonly<Record<string, string>>;
  /** The S3 endpoint; null for a folder. */
  readonly endpoint: string | null;
  /** Replaces the keys of the functions' user; null for a folder. */
  readonly changeKeys: (() => Promise<Keys>) | null;
  stop(): Promise<void>;
}

const BUCKET = 'soulcaster-backup';

/** A store in a subfolder of `folder`, which is kept when the stack ends. */
export async function folderStore(folder: string): Promise<StackStore> {
  const path = join(folder, 'store');
  await mkdir(path, { recursive: true });
  const variables = { BACKUP_STORE: `file://${path}` };
  return { variables, endpoint: null, changeKeys: null, stop: () => Promise.resolve() };
}

/** A bucket of Ceph's S3 gateway, in memory. */
export async function bucketStore(folder: string): Promise<StackStore> {
  const gateway = await startRadosgw({ folder });
  try {
    await gateway.createBucket(BUCKET);
  } catch (error) {
    await gateway.stop();
    throw error;
  }
  const variables = {
    BACKUP_STORE: `s3://${BUCKET}/nightly`,
    S3_REGION: gateway.region,
    S3_ENDPOINT: gateway.endpoint,
    S3_ACCESS_KEY_ID: gateway.accessKeyId,
    S3_SECRET_ACCESS_KEY: gateway.secretAccessKey,
  };
  return {
    variables,
    endpoint: gateway.endpoint,
    changeKeys: () => gateway.changeKeys(),
    stop: () => gateway.stop(),
  };
}

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
