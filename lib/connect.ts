import { ageSealer } from './adapters/age-sealer.js';
import { alertWebhook } from './adapters/alert-webhook.js';
import { reachable } from './adapters/alerting/reach.js';
import { systemClock } from './adapters/clock.js';
import { geminiEmbedder } from './adapters/gemini-embedder.js';
import { githubRest } from './adapters/github.js';
import { httpHeartbeat } from './adapters/heartbeat.js';
import { inProcessQueue, type InProcessQueue } from './adapters/in-process-queue.js';
import { jsonLog } from './adapters/json-log.js';
import { providerStatus } from './adapters/provider-status.js';
import { qstashQueue } from './adapters/qstash-queue.js';
import { soulcasterBackend } from './adapters/soulcaster-backend.js';
import { standardWebhooks } from './adapters/standard-webhooks.js';
import { taskEndpoint } from './adapters/task-endpoint.js';
import { upstashDeveloper } from './adapters/upstash-developer.js';
import { upstashRedis } from './adapters/upstash-redis.js';
import { upstashVector } from './adapters/upstash-vector.js';
import { vercelRest } from './adapters/vercel.js';
import { connectSigner, connectStore } from './connect/stores.js';
import { loadConfig, loadTarget, wantsQueue, type Config, type Environment, type Section } from './config.js';
import { overlayStore } from './control/overlay-store.js';
import type { Clock, Log, Ports, Queue, RedisPort } from './ports/index.js';
import type { Reachable } from './ports/reachable.js';
import type { TaskEndpoint } from './ports/task-endpoint.js';

export { connectPlainReplica, connectPlainStore, connectReplica } from './connect/stores.js';

export type PortName = keyof Ports;

/** What a caller may put in the place of what the configuration says. */
export interface Replacements {
  readonly log?: Log;
  readonly queue?: Queue;
  /** Keeps control state in the memory of this process: for a store that takes no writes, or none from here. */
  readonly inMemory?: boolean;
}

const clock: Clock = systemClock();

/** The path of the function that takes queue messages. */
const TASKS_PATH = '/api/tasks';

/** Sections of the configuration that a port is made from. */
const SECTIONS: Readonly<Record<PortName, readonly Section[]>> = {
  clock: [],
  log: [],
  redis: ['redis'],
  store: ['store', 'keys', 'control'],
  queue: ['queue'],
  sealer: ['keys'],
  signer: ['keys'],
  backend: ['backend'],
  account: ['account'],
  providers: ['providers'],
  webhooks: ['webhook'],
  vectors: ['vector'],
  embedder: ['embedder'],
  github: ['github'],
  variables: ['hosting'],
  deployments: ['hosting'],
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
  const log = (): Log => replacements.log ?? functionLog();
  const makers: { readonly [P in PortName]: () => Ports[P] } = {
    clock: () => clock,
    log,
    redis: () => connectRedis(config.redis),
    store: () => {
      const store = connectStore(config, log());
      return replacements.inMemory === true ? overlayStore(store, clock) : store;
    },
    queue: () => replacements.queue ?? (wantsQueue(env) ? connectQueue(config.queue) : inProcessQueue()),
    sealer: () =>
      ageSealer({
        recipients: config.keys.BACKUP_AGE_RECIPIENTS,
        identity: config.keys.BACKUP_AGE_IDENTITY ?? null,
      }),
    signer: () => connectSigner(config.keys),
    backend: () => soulcasterBackend({ url: config.backend.BACKEND_URL ?? null, clock }),
    account: () => connectAccount(config.account),
    providers: () => providerStatus({ addresses: config.providers.PROVIDER_STATUS_URLS }),
    vectors: () => connectVectors(config.vector),
    embedder: () => connectEmbedder(config.embedder),
    alerter: () =>
      alertWebhook({
        url: config.alerts.ALERT_WEBHOOK_URL ?? null,
        clock,
        ...(config.alerts.ALERT_FORMAT === undefined ? {} : { format: config.alerts.ALERT_FORMAT }),
      }),
    heartbeat: () => httpHeartbeat({ url: config.alerts.HEARTBEAT_URL ?? null, clock }),
    webhooks: () => standardWebhooks({ secret: config.webhook.RESTORE_WEBHOOK_SECRET, clock }),
    github: () => githubRest({ url: config.github.GITHUB_API_URL, clock }),
    variables: () => connectHosting(config.hosting).variables,
    deployments: () => connectHosting(config.hosting).deployments,
  };
  return Object.fromEntries(names.map((name) => [name, makers[name]()])) as Pick<Ports, K>;
}

/** The way from the queue back to us. Throws `config` when PUBLIC_URL is none. */
export function connectTaskEndpoint(env: Environment): TaskEndpoint {
  return taskEndpoint(new URL(TASKS_PATH, loadConfig(env, ['queue']).queue.PUBLIC_URL).href);
}

/** The hosts that alerts and signs of life go to. Throws `config` when there is no such address. */
export function connectReachable(env: Environment, which: 'alerts' | 'heartbeat'): Reachable {
  const { ALERT_WEBHOOK_URL, HEARTBEAT_URL } = loadConfig(env, ['alerts']).alerts;
  return which === 'alerts'
    ? reachable('alert webhook', 'ALERT_WEBHOOK_URL', ALERT_WEBHOOK_URL ?? '')
    : reachable('heartbeat', 'HEARTBEAT_URL', HEARTBEAT_URL ?? '');
}

/** A database to restore into, by its name; null for the one that is backed up. Each is connected once. */
export function connectTargets(env: Environment, primary: RedisPort): (target: string | null) => RedisPort {
  const connected = new Map<string, RedisPort>();
  return (target) => {
    if (target === null) return primary;
    const redis = connected.get(target) ?? connectTarget(env, target);
    connected.set(target, redis);
    return redis;
  };
}

/** A database other than the one that is backed up. Throws `usage` when none of that name is configured. */
export function connectTarget(env: Environment, target: string): RedisPort {
  return upstashRedis({ ...loadTarget(env, target), clock });
}

/** The log of what runs unattended: JSON lines on the standard error, where Vercel collects them. */
export function functionLog(): Log {
  return jsonLog((line) => process.stderr.write(line));
}

/** Whether a queue works within this process alone, and so has to be worked off by it. */
export function isInProcess(queue: Queue): queue is InProcessQueue {
  return 'take' in queue;
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

function connectHosting(config: Config<'hosting'>['hosting']): ReturnType<typeof vercelRest> {
  const team = config.VERCEL_TEAM_ID ?? null;
  return vercelRest({ url: config.VERCEL_API_URL, token: config.VERCEL_API_TOKEN, team, clock });
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
