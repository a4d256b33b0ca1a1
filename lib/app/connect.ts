import { ageEncryptor } from '../crypto/age.js';
import { alertWebhook, alertHostProbe } from '../services/alert-webhook.js';
import { systemClock } from '../services/clock.js';
import { githubRest } from '../services/github.js';
import { httpHeartbeat } from '../services/heartbeat.js';
import { inProcessQueue, jsonLog, pacedRedis } from './in-process.js';
import { providerStatus } from '../services/provider-status.js';
import { qstashQueue, qstashSigningKeys, qstashSchedules } from '../services/qstash.js';
import type { RetryPolicy } from '../services/retry.js';
import { soulcasterBackend } from '../services/soulcaster-backend.js';
import { signHeaders, standardWebhooks } from '../services/standard-webhooks.js';
import { taskEndpoint } from '../services/task-endpoint.js';
import { upstashDeveloper } from '../services/upstash-developer.js';
import { upstashRedis } from '../services/upstash-redis/redis.js';
import { vercelRest } from '../services/vercel/hosting.js';
import { protectedDatabase } from './connect/database.js';
import { connectEmbedder, connectVectors, type RetryOption } from './connect/indexes.js';
import { connectSigner, connectStore, hasSecondStore } from './connect/stores.js';
import { SCHEDULE_CRON } from '../monitoring/schedulers.js';
import { isSet, loadConfig, loadTarget, wantsQueue, type Config, type Environment, type Section } from './config.js';
import { overlayStore } from '../control/overlay-store.js';
import type { Schedule, Schedules } from '../ports/queue.js';
import type { Clock, Log, ObjectStore, Ports, Queue, RedisPort } from '../ports/index.js';
import type { Reachable } from '../ports/alerter.js';
import type { TaskEndpoint } from '../ports/hosting.js';

export { deploymentClient as connectDeployment } from '../services/task-endpoint.js';

type PortName = keyof Ports;

/** Replaces ports that would otherwise come from the configuration. */
export interface Replacements {
  readonly log?: Log;
  readonly queue?: Queue;
  /** For a rehearsal, which takes a snapshot dated in the past. */
  readonly clock?: Clock;
  /** Keeps control state in the memory of this process, for a store that refuses writes. */
  readonly inMemory?: boolean;
  /** Few retries, for a waiting user: enough for a short glitch, while an outage is reported at once. */
  readonly impatient?: boolean;
  /** For commands on the second store: the environment of the first, where a restore is marked as well. */
  readonly firstStore?: {
    readonly env: Environment;
    readonly onNotMarked: (why: string) => void;
    /** Called with the reason when the first store's erasure list cannot be read. */
    readonly onErasuresUnread: (why: string) => void;
  };
  /** Wraps the store, to add the snapshot of a file, which is in no store. */
  readonly wrapStore?: (store: ObjectStore) => ObjectStore;
  /** The snapshot's argument in printed commands, quoted for a shell: the file it was made from, instead of its id. */
  readonly snapshotWords?: string;
}

const clock: Clock = systemClock();

const IMPATIENT: RetryPolicy = { attempts: 2, baseMs: 100, capMs: 400 };

/** The path of the function that takes queue messages. */
const TASKS_PATH = '/api/tasks';
/** The path of the function that the queue's schedule calls. */
const SCHEDULE_PATH = '/api/schedules/guard';

/** The configuration sections of each port. */
const SECTIONS: Readonly<Record<PortName, readonly Section[]>> = {
  clock: [],
  log: [],
  redis: ['redis'],
  store: ['store', 'keys', 'control'],
  queue: ['queue'],
  encryptor: ['keys'],
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
  projects: ['hosting'],
  alerter: ['alerts'],
  heartbeat: ['heartbeat'],
};

/**
 * Creates the named ports, reading only the variables that they need. Throws `config` naming everything that is missing.
 * Without QSTASH_TOKEN the queue is in-process.
 */
export function connect<K extends PortName>(
  env: Environment,
  names: readonly K[],
  replacements: Replacements = {},
): Pick<Ports, K> {
  const wanted = names.filter((name) => !(name === 'queue' && (replacements.queue !== undefined || !wantsQueue(env))));
  const config = loadConfig(env, [...new Set(wanted.flatMap((name) => SECTIONS[name]))]);
  const log = (): Log => replacements.log ?? functionLog();
  const retry = replacements.impatient === true ? { retry: IMPATIENT } : {};
  const makers: { readonly [P in PortName]: () => Ports[P] } = {
    clock: () => replacements.clock ?? clock,
    log,
    redis: () => connectRedis(config.redis, retry),
    store: () => {
      const connected = connectStore(config, log());
      const store = hasSecondStore(env) ? { ...connected, isSecond: true } : connected;
      const kept = replacements.inMemory === true ? overlayStore(store, clock) : store;
      return replacements.wrapStore?.(kept) ?? kept;
    },
    queue: () => replacements.queue ?? (wantsQueue(env) ? connectQueue(config.queue, retry) : inProcessQueue()),
    encryptor: () =>
      ageEncryptor({
        recipients: config.keys.BACKUP_AGE_RECIPIENTS,
        identity: config.keys.BACKUP_AGE_IDENTITY ?? null,
      }),
    signer: () => connectSigner(config.keys),
    backend: () => soulcasterBackend({ url: config.backend.BACKEND_URL ?? null, clock }),
    account: () => connectAccount(config.account),
    providers: () => providerStatus({ addresses: config.providers.PROVIDER_STATUS_URLS }),
    vectors: () => connectVectors(config.vector, retry),
    embedder: () => connectEmbedder(config.embedder, retry),
    alerter: () =>
      alertWebhook({
        url: config.alerts.ALERT_WEBHOOK_URL ?? null,
        clock,
        ...(config.alerts.ALERT_FORMAT === undefined ? {} : { format: config.alerts.ALERT_FORMAT }),
      }),
    heartbeat: () => httpHeartbeat({ url: config.heartbeat.HEARTBEAT_URL ?? null, clock }),
    webhooks: () => standardWebhooks({ secret: config.webhook.RESTORE_WEBHOOK_SECRET, clock }),
    github: () => githubRest({ url: config.github.GITHUB_API_URL, clock }),
    variables: () => connectHosting(config.hosting).variables,
    deployments: () => connectHosting(config.hosting).deployments,
    projects: () => connectHosting(config.hosting).projects,
  };
  return Object.fromEntries(names.map((name) => [name, makers[name]()])) as Pick<Ports, K>;
}

/** The function that the queue delivers to. Throws `config` if PUBLIC_URL is invalid. */
export function connectTaskEndpoint(env: Environment): TaskEndpoint {
  return taskEndpoint(new URL(TASKS_PATH, loadConfig(env, ['queue']).queue.PUBLIC_URL).href);
}

/** Fetches the signing keys of the queue's service; only QSTASH_TOKEN is needed. Same errors as the queue. */
export function connectSigningKeys(env: Environment): Promise<{ readonly current: string; readonly next: string }> {
  const placeholders = { QSTASH_CURRENT_SIGNING_KEY: 'not-known-yet', QSTASH_NEXT_SIGNING_KEY: 'not-known-yet' };
  const { QSTASH_TOKEN: token, QSTASH_URL: url } = loadConfig({ ...env, ...placeholders }, ['queue']).queue;
  return qstashSigningKeys({ token, clock, ...(url === undefined ? {} : { url }) });
}

/** The schedules of the queue's service. Throws `config`. */
export function connectSchedules(env: Environment): Schedules {
  const { queue } = loadConfig(env, ['queue']);
  const url = queue.QSTASH_URL === undefined ? {} : { url: queue.QSTASH_URL };
  return qstashSchedules({ token: queue.QSTASH_TOKEN, clock, ...url });
}

/**
 * The schedule on which the queue calls the guard; null without a queue or PUBLIC_URL. Its id names the protected database,
 * so that two deployments of one account have separate schedules and a deployment that moved keeps its schedule.
 */
export function guardScheduleOf(env: Environment): Schedule | null {
  const origin = env['PUBLIC_URL'] ?? '';
  if (!wantsQueue(env) || !URL.canParse(origin)) return null;
  const source = protectedDatabase(env).source?.slice(0, 8) ?? 'none';
  return {
    id: `soulcaster-backup-guard-${source}`,
    destination: new URL(SCHEDULE_PATH, origin).href,
    cron: SCHEDULE_CRON,
  };
}

/** The database with a limit on the commands per second. */
export function paceRedis(redis: RedisPort, commandsPerSecond: number): RedisPort {
  return pacedRedis(redis, clock, commandsPerSecond);
}

/** The signed headers of a restore webhook with this body; null without a secret. Throws `config`. */
export function signWebhook(env: Environment, body: string): Record<string, string> | null {
  if (!isSet(env, 'RESTORE_WEBHOOK_SECRET')) return null;
  return signHeaders({ secret: loadConfig(env, ['webhook']).webhook.RESTORE_WEBHOOK_SECRET, clock }, body);
}

/** The host of the alert webhook. Throws `config` without a valid address. */
export function connectAlertHost(env: Environment): Reachable {
  return alertHostProbe(loadConfig(env, ['alerts']).alerts.ALERT_WEBHOOK_URL ?? '');
}

/** Returns the database of a restore target's name, or the protected one for null. Each is connected once. */
export function connectTargets(env: Environment, primary: RedisPort): (target: string | null) => RedisPort {
  const connected = new Map<string, RedisPort>();
  return (target) => {
    if (target === null) return primary;
    const redis = connected.get(target) ?? connectTarget(env, target);
    connected.set(target, redis);
    return redis;
  };
}

/** The database of a restore target. Throws `usage` if no target of that name is configured. */
export function connectTarget(env: Environment, target: string): RedisPort {
  return upstashRedis({ ...loadTarget(env, target), clock });
}

/** The log of the functions: JSON lines on the standard error, where Vercel collects them. */
export function functionLog(): Log {
  return jsonLog((line) => process.stderr.write(line));
}

function connectRedis(config: Config<'redis'>['redis'], retry: RetryOption): Ports['redis'] {
  return upstashRedis({ url: config.UPSTASH_REDIS_REST_URL, token: config.UPSTASH_REDIS_REST_TOKEN, clock, ...retry });
}

function connectAccount(config: Config<'account'>['account']): Ports['account'] {
  const { UPSTASH_API_KEY: apiKey, UPSTASH_API_URL: url, UPSTASH_EMAIL: email } = config;
  return upstashDeveloper({ url, email, apiKey, clock });
}

function connectHosting(config: Config<'hosting'>['hosting']): ReturnType<typeof vercelRest> {
  const team = config.VERCEL_TEAM_ID ?? null;
  return vercelRest({ url: config.VERCEL_API_URL, token: config.VERCEL_API_TOKEN, team, clock });
}

function connectQueue(config: Config<'queue'>['queue'], retry: RetryOption): Queue {
  return qstashQueue({
    token: config.QSTASH_TOKEN,
    currentSigningKey: config.QSTASH_CURRENT_SIGNING_KEY,
    nextSigningKey: config.QSTASH_NEXT_SIGNING_KEY,
    endpoint: new URL(TASKS_PATH, config.PUBLIC_URL).href,
    clock,
    ...retry,
    ...(config.QSTASH_URL === undefined ? {} : { url: config.QSTASH_URL }),
  });
}
