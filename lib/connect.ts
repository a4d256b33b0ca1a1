import { fileURLToPath } from 'node:url';
import { getVercelOidcToken } from '@vercel/oidc';
import { ageSealer } from './adapters/age-sealer.js';
import { alertWebhook } from './adapters/alert-webhook.js';
import { systemClock } from './adapters/clock.js';
import { ed25519Signer } from './adapters/ed25519-signer.js';
import { fileStore } from './adapters/file-store.js';
import { geminiEmbedder } from './adapters/gemini-embedder.js';
import { httpHeartbeat } from './adapters/heartbeat.js';
import { inProcessQueue, type InProcessQueue } from './adapters/in-process-queue.js';
import { jsonLog } from './adapters/json-log.js';
import { providerStatus } from './adapters/provider-status.js';
import { qstashQueue } from './adapters/qstash-queue.js';
import { retryingStore } from './adapters/retrying-store.js';
import { awsWebIdentity, type S3Credentials } from './adapters/s3-credentials.js';
import { s3Store } from './adapters/s3-store.js';
import { soulcasterBackend } from './adapters/soulcaster-backend.js';
import { standardWebhooks } from './adapters/standard-webhooks.js';
import { upstashDeveloper } from './adapters/upstash-developer.js';
import { upstashRedis } from './adapters/upstash-redis.js';
import { upstashVector } from './adapters/upstash-vector.js';
import { loadConfig, loadTarget, wantsQueue, type Config, type Environment, type Section } from './config.js';
import { replicaEnvironment } from './config/replica-environment.js';
import type { Clock, Log, ObjectStore, Ports, Queue, RedisPort } from './ports/index.js';

export type PortName = keyof Ports;

/** What a caller may put in the place of what the configuration says. */
export interface Replacements {
  readonly log?: Log;
  readonly queue?: Queue;
}

const clock: Clock = systemClock();

/** The path of the function that takes queue messages. */
const TASKS_PATH = '/api/tasks';

/** Sections of the configuration that a port is made from. */
const SECTIONS: Readonly<Record<PortName, readonly Section[]>> = {
  clock: [],
  log: [],
  redis: ['redis'],
  store: ['store'],
  queue: ['queue'],
  sealer: ['keys'],
  signer: ['keys'],
  backend: ['backend'],
  account: ['account'],
  providers: ['providers'],
  webhooks: ['webhook'],
  vectors: ['vector'],
  embedder: ['embedder'],
  alerter: ['alerts'],
  heartbeat: ['alerts'],
};

/**
 * Makes the ports that are asked for, from the variables that those need and no others. Throws `config` with
 * everything that is missing. Without QSTASH_TOKEN the queue is one within this process.
 */
export function connect<K extends PortName>(
  env: Environment,
  names: readonly K[],
  replacements: Replacements = {},
): Pick<Ports, K> {
  const wanted = names.filter((name) => !(name === 'queue' && (replacements.queue !== undefined || !wantsQueue(env))));
  const config = loadConfig(env, [...new Set(wanted.flatMap((name) => SECTIONS[name]))]);
  const makers: { readonly [P in PortName]: () => Ports[P] } = {
    clock: () => clock,
    log: () => replacements.log ?? functionLog(),
    redis: () => connectRedis(config.redis),
    store: () => connectStore(config.store),
    queue: () => replacements.queue ?? (wantsQueue(env) ? connectQueue(config.queue) : inProcessQueue()),
    sealer: () =>
      ageSealer({
        recipients: config.keys.BACKUP_AGE_RECIPIENTS,
        identity: config.keys.BACKUP_AGE_IDENTITY ?? null,
      }),
    signer: () =>
      ed25519Signer({
        privateKey: config.keys.BACKUP_SIGNING_KEY ?? null,
        publicKey: config.keys.BACKUP_SIGNING_PUBLIC_KEY ?? null,
      }),
    backend: () => soulcasterBackend({ url: config.backend.BACKEND_URL ?? null, clock }),
    account: () => connectAccount(config.account),
    providers: () => providerStatus({ addresses: config.providers.PROVIDER_STATUS_URLS }),
    vectors: () => connectVectors(config.vector),
    embedder: () => connectEmbedder(config.embedder),
    alerter: () => alertWebhook({ url: config.alerts.ALERT_WEBHOOK_URL ?? null, clock }),
    heartbeat: () => httpHeartbeat({ url: config.alerts.HEARTBEAT_URL ?? null, clock }),
    webhooks: () => standardWebhooks({ secret: config.webhook.RESTORE_WEBHOOK_SECRET, clock }),
  };
  return Object.fromEntries(names.map((name) => [name, makers[name]()])) as Pick<Ports, K>;
}

/** A database to restore into, by its name; null for the one that is backed up. Each is connected once. */
export function connectTargets(env: Environment, primary: RedisPort): (target: string | null) => RedisPort {
  const connected = new Map<string, RedisPort>();
  return (target) => {
    if (target === null) return primary;
    const redis = connected.get(target) ?? upstashRedis({ ...loadTarget(env, target), clock });
    connected.set(target, redis);
    return redis;
  };
}

/** The log of what runs unattended: JSON lines on the standard error, where Vercel collects them. */
export function functionLog(): Log {
  return jsonLog((line) => process.stderr.write(line));
}

/** Whether a queue works within this process alone, and so has to be worked off by it. */
export function isInProcess(queue: Queue): queue is InProcessQueue {
  return 'take' in queue;
}

/** The store without retries: for tests of its behaviour, where a retry would hide what it does. */
export function connectPlainStore(config: Config<'store'>['store']): ObjectStore {
  const target = new URL(config.BACKUP_STORE);
  if (target.protocol === 'file:') return fileStore({ folder: fileURLToPath(target), clock });
  return s3Store({
    bucket: target.hostname,
    prefix: decodeURIComponent(target.pathname),
    region: config.S3_REGION ?? '',
    credentials: s3Credentials(config),
    clock,
    ...(config.S3_ENDPOINT === undefined ? {} : { endpoint: config.S3_ENDPOINT }),
  });
}

/** The second store, as `connectReplica` gives it, without retries. */
export function connectPlainReplica(env: Environment): ObjectStore {
  return connectPlainStore(loadConfig(replicaEnvironment(env), ['store']).store);
}

/** The second store. Throws `config` when it is not set, or not completely. */
export function connectReplica(env: Environment): ObjectStore {
  return retryingStore(connectPlainReplica(env), clock);
}

function connectStore(config: Config<'store'>['store']): ObjectStore {
  return retryingStore(connectPlainStore(config), clock);
}

function s3Credentials(config: Config<'store'>['store']): S3Credentials {
  if (config.S3_ROLE_ARN !== undefined)
    return awsWebIdentity({ roleArn: config.S3_ROLE_ARN, token: getVercelOidcToken });
  return { accessKeyId: config.S3_ACCESS_KEY_ID ?? '', secretAccessKey: config.S3_SECRET_ACCESS_KEY ?? '' };
}

function connectRedis(config: Config<'redis'>['redis']): Ports['redis'] {
  return upstashRedis({ url: config.UPSTASH_REDIS_REST_URL, token: config.UPSTASH_REDIS_REST_TOKEN, clock });
}

function connectAccount(config: Config<'account'>['account']): Ports['account'] {
  const { UPSTASH_API_KEY: apiKey, UPSTASH_API_URL: url, UPSTASH_EMAIL: email } = config;
  return upstashDeveloper({ url, email, apiKey, clock });
}

function connectVectors(config: Config<'vector'>['vector']): Ports['vectors'] {
  return upstashVector({ url: config.UPSTASH_VECTOR_REST_URL, token: config.UPSTASH_VECTOR_REST_TOKEN, clock });
}

function connectEmbedder(config: Config<'embedder'>['embedder']): Ports['embedder'] {
  return geminiEmbedder({
    apiKey: config.GEMINI_API_KEY,
    model: config.EMBEDDING_MODEL,
    dimensions: config.EMBEDDING_DIMENSIONS,
    clock,
    ...(config.GEMINI_BASE_URL === undefined ? {} : { baseUrl: config.GEMINI_BASE_URL }),
  });
}

function connectQueue(config: Config<'queue'>['queue']): Queue {
  return qstashQueue({
    token: config.QSTASH_TOKEN,
    currentSigningKey: config.QSTASH_CURRENT_SIGNING_KEY,
    nextSigningKey: config.QSTASH_NEXT_SIGNING_KEY,
    endpoint: new URL(TASKS_PATH, config.PUBLIC_URL).href,
    clock,
    ...(config.QSTASH_URL === undefined ? {} : { url: config.QSTASH_URL }),
  });
}
