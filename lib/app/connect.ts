import { ageEncryptor } from '../crypto/age.js';
import { alertWebhook, reachable } from '../services/alert-webhook/alerter.js';
import { systemClock } from '../services/clock.js';
import { githubRest } from '../services/github/client.js';
import { httpHeartbeat } from '../services/heartbeat.js';
import { inProcessQueue } from './in-process.js';
import { jsonLog } from './json-log.js';
import { pacedRedis } from './paced-redis.js';
import { providerStatus } from '../services/provider-status.js';
import { qstashQueue, qstashSigningKeys } from '../services/qstash/queue.js';
import { qstashSchedules } from '../services/qstash/schedules.js';
import type { RetryPolicy } from '../services/retry.js';
import { soulcasterBackend } from '../services/soulcaster-backend.js';
import { signedHeaders, standardWebhooks } from '../services/standard-webhooks.js';
import { deploymentDoor, taskEndpoint } from '../services/task-endpoint.js';
import { upstashDeveloper } from '../services/upstash-developer/account.js';
import { upstashRedis } from '../services/upstash-redis/redis.js';
import { vercelRest } from '../services/vercel/hosting.js';
import { protectedDatabase } from './connect/database.js';
import { connectEmbedder, connectVectors, type Retrying } from './connect/indexes.js';
import { connectSigner, connectStore } from './connect/stores.js';
import { SCHEDULE_CRON } from '../monitoring/schedulers.js';
import { loadConfig, loadTarget, wantsQueue, type Config, type Environment, type Section } from './config.js';
import { overlayStore } from '../control/overlay-store.js';
import type { Schedule, Schedules } from '../ports/schedules.js';
import type { Clock, Log, ObjectStore, Ports, Queue, RedisPort } from '../ports/index.js';
import type { Reachable } from '../ports/alerter.js';
import type { DeploymentDoor, TaskEndpoint } from '../ports/task-endpoint.js';

export { connectPlainReplica, connectPlainStore, connectReplica } from './connect/stores.js';

type PortName = keyof Ports;

/** What a caller may put in the place of what the configuration says. */
export interface Replacements {
  readonly log?: Log;
  readonly queue?: Queue;
  /** Of a rehearsal, which takes a snapshot of an earlier time. */
  readonly clock?: Clock;
  /** Keeps control state in the memory of this process: for a store that takes no writes, or none from here. */
  readonly inMemory?: boolean;
  /** For somebody who waits: a hiccup may pass, an outage is told at once. */
  readonly impatient?: boolean;
  /** Of a program that works on the second store: what names the first, where a restore is marked as well. */
  readonly firstStore?: {
    readonly env: Environment;
    readonly onNotMarked: (why: string) => void;
    /** Is told why the erasure list there was not read. */
    readonly onErasuresUnread: (why: string) => void;
  };
  /** Puts something in front of the store: the snapshot of a file, which is in no store. */
  readonly over?: (store: ObjectStore) => ObjectStore;
  /** What a command names in the place of the snapshot's id, as words of a shell: the file that it was made of. */
  readonly words?: string;
}

const clock: Clock = systemClock();

const IMPATIENT: RetryPolicy = { attempts: 2, baseMs: 100, capMs: 400 };

/** The path of the function that takes queue messages. */
const TASKS_PATH = '/api/tasks';
/** The path of the function that the queue's schedule calls. */
const SCHEDULE_PATH = '/api/schedules/guard';

/** Sections of the configuration that a port is made from. */
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
  const retry = replacements.impatient === true ? { retry: IMPATIENT } : {};
  const makers: { readonly [P in PortName]: () => Ports[P] } = {
    clock: () => replacements.clock ?? clock,
    log,
    redis: () => connectRedis(config.redis, retry),
    store: () => {
      const store = connectStore(config, log());
      const kept = replacements.inMemory === true ? overlayStore(store, clock) : store;
      return replacements.over?.(kept) ?? kept;
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

/** The way from the queue back to us. Throws `config` when PUBLIC_URL is none. */
export function connectTaskEndpoint(env: Environment): TaskEndpoint {
  return taskEndpoint(new URL(TASKS_PATH, loadConfig(env, ['queue']).queue.PUBLIC_URL).href);
}

/** The keys that the queue's service signs with, asked for with QSTASH_TOKEN alone. Errors as those of the queue. */
export function connectSigningKeys(env: Environment): Promise<{ readonly current: string; readonly next: string }> {
  const none = { QSTASH_CURRENT_SIGNING_KEY: 'not-known-yet', QSTASH_NEXT_SIGNING_KEY: 'not-known-yet' };
  const { QSTASH_TOKEN: token, QSTASH_URL: url } = loadConfig({ ...env, ...none }, ['queue']).queue;
  return qstashSigningKeys({ token, clock, ...(url === undefined ? {} : { url }) });
}

/** The schedules of the queue's service. Throws `config`. */
export function connectSchedules(env: Environment): Schedules {
  const { queue } = loadConfig(env, ['queue']);
  const url = queue.QSTASH_URL === undefined ? {} : { url: queue.QSTASH_URL };
  return qstashSchedules({ token: queue.QSTASH_TOKEN, clock, ...url });
}

/**
 * The schedule by which the queue calls the guard; null where no queue is configured, or not where to call. Its id is that
 * of the protected database, so that two deployments of one account keep apart, and one that moved takes its own along.
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

/** A deployment, as anybody outside sees it. */
export function connectDoor(origin: string): DeploymentDoor {
  return deploymentDoor(origin);
}

/** A database of which a run takes a bounded number of commands a second, by the clock of the machine. */
export function paced(redis: RedisPort, commandsPerSecond: number): RedisPort {
  return pacedRedis(redis, clock, commandsPerSecond);
}

/** Signs a restore webhook with this body; null where no secret is set. Throws `config`. */
export function signWebhook(env: Environment, body: string): Record<string, string> | null {
  if ((env['RESTORE_WEBHOOK_SECRET'] ?? '') === '') return null;
  return signedHeaders({ secret: loadConfig(env, ['webhook']).webhook.RESTORE_WEBHOOK_SECRET, clock }, body);
}

/** The host that alerts go to. Throws `config` when there is no such address. */
export function connectAlertHost(env: Environment): Reachable {
  return reachable(loadConfig(env, ['alerts']).alerts.ALERT_WEBHOOK_URL ?? '');
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

function connectRedis(config: Config<'redis'>['redis'], retry: Retrying): Ports['redis'] {
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

function connectQueue(config: Config<'queue'>['queue'], retry: Retrying): Queue {
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
