import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { functionVariables } from '../../lib/app/config/names.js';
import { startServiceProxy, type ServiceProxy } from '../fault-proxy.js';
import type { FunctionHost } from '../function-host/index.js';
import type { Gemini } from '../gemini/index.js';
import { startGitHub, type GitHubStandIn } from '../github/index.js';
import type { Qstash } from '../qstash/index.js';
import { startRedisServer } from '../redis-server.js';
import { startUpstashAccount, type UpstashAccountStandIn } from '../upstash-account/index.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../upstash-redis/index.js';
import type { UpstashVectorStandIn } from '../upstash-vector/index.js';
import { startVercelApi, type VercelStandIn } from '../vercel-api/index.js';
import type { StackStore, UndoList } from './parts.js';
import { serveApi } from '../stand-in-server.js';

/** The fault proxies through which clients reach the services. */
interface ServiceProxies {
  readonly redis: ServiceProxy;
  readonly queue: ServiceProxy;
  readonly vector: ServiceProxy;
  readonly gemini: ServiceProxy;
  /** Null when the store is a folder. */
  readonly s3: ServiceProxy | null;
}

interface ProxiedParts {
  readonly redis: UpstashRedisStandIn;
  readonly queue: Qstash;
  readonly vector: UpstashVectorStandIn;
  readonly gemini: Gemini;
  readonly store: StackStore;
}

/** Starts a proxy in front of each part, and returns the parts with the addresses of the proxies. */
export async function startProxies<P extends ProxiedParts>(
  parts: P,
  ports: { readonly redis?: number; readonly queue?: number },
  undo: UndoList,
): Promise<{ proxies: ServiceProxies; proxied: P }> {
  const { gemini, queue, redis, store, vector } = parts;
  const open = async (options: Parameters<typeof startServiceProxy>[0]): Promise<ServiceProxy> => {
    const proxy = await startServiceProxy(options);
    undo.push(() => proxy.stop());
    return proxy;
  };
  const bearer = (value: string) => ({ header: 'authorization', value }) as const;
  const proxies: ServiceProxies = {
    redis: await open({ target: redis.url, key: bearer(redis.token), ...portOf(ports.redis) }),
    queue: await open({ target: queue.url, key: bearer(queue.token), ...portOf(ports.queue) }),
    vector: await open({ target: vector.url, key: bearer(vector.token) }),
    gemini: await open({ target: gemini.url, key: { header: 'x-goog-api-key', value: gemini.apiKey } }),
    s3: store.endpoint === null ? null : await open({ target: store.endpoint, key: null }),
  };
  const s3 = proxies.s3 === null ? {} : { S3_ENDPOINT: proxies.s3.url };
  const proxied = {
    ...parts,
    redis: { ...redis, url: proxies.redis.url },
    queue: { ...queue, url: proxies.queue.url },
    vector: { ...vector, url: proxies.vector.url },
    gemini: { ...gemini, url: proxies.gemini.url },
    store: { ...store, variables: { ...store.variables, ...s3 } },
  };
  return { proxies, proxied };
}

const portOf = (port: number | undefined): { port?: number } => (port === undefined ? {} : { port });

const PROJECTS = {
  backup: 'soulcaster-backup',
  backend: 'soulcaster-backend',
  dashboard: 'soulcaster-dashboard',
} as const;
const REPOSITORY = 'acme/app';
const CLIENT_ID = 'Ov23liRehearsal00000';
/** Id of the standby in the Upstash account. */
export const STANDBY_ID = 'rehearsal-standby';
const TEAM = 'team_rehearsal';

/** The surroundings of a deployment: accounts, a standby, a second store, a receiver of alerts. */
interface Surroundings {
  readonly github: GitHubStandIn;
  readonly account: UpstashAccountStandIn;
  readonly receiver: Receiver;
  /** `redis://` URL of the standby. */
  readonly standby: string;
  readonly variables: Readonly<Record<string, string>>;
}

export interface Rehearsal extends Surroundings {
  readonly proxies: ServiceProxies;
  readonly vercel: VercelStandIn;
  /** In front of Vercel's API. */
  readonly vercelProxy: ServiceProxy;
  /** Replaces the keys of the bucket; null when the store is a folder. */
  readonly changeStoreKeys: StackStore['changeKeys'];
}

export async function startSurroundings(
  folder: string,
  database: { readonly redis: UpstashRedisStandIn; readonly server: string },
  undo: UndoList,
): Promise<Surroundings> {
  const standbyServer = await startRedisServer();
  undo.push(() => standbyServer.stop());
  const standby = await startUpstashRedis({ redisUrl: standbyServer.url, token: freshToken() });
  undo.push(() => standby.stop());
  const receiver = await startReceiver();
  undo.push(() => receiver.stop());
  const [token, clientSecret] = [freshGitHubToken(), randomBytes(20).toString('hex')];
  const github = await startGitHub({
    tokens: [gitHubToken(token)],
    apps: [{ clientId: CLIENT_ID, clientSecret }],
  });
  undo.push(() => github.stop());
  const id = 'rehearsal-database';
  const account = await startUpstashAccount({
    databases: [
      {
        id,
        name: 'soulcaster',
        endpoint: new URL(database.redis.url).host,
        redisUrl: database.server,
        restToken: database.redis.token,
      },
      {
        id: STANDBY_ID,
        name: 'soulcaster-standby',
        endpoint: new URL(standby.url).host,
        redisUrl: standbyServer.url,
        restToken: standby.token,
      },
    ],
  });
  undo.push(() => account.stop());
  const replica = join(folder, 'replica');
  await mkdir(replica, { recursive: true });
  return {
    github,
    account,
    receiver,
    standby: standbyServer.url,
    variables: {
      BACKUP_LABEL: 'rehearsal',
      BACKUP_REPLICA_STORE: pathToFileURL(replica).href,
      RESTORE_TARGET_STANDBY_REST_URL: standby.url,
      RESTORE_TARGET_STANDBY_REST_TOKEN: standby.token,
      ALERT_WEBHOOK_URL: `${receiver.url}/alerts`,
      HEARTBEAT_URL: `${receiver.url}/ping`,
      UPSTASH_API_URL: account.url,
      UPSTASH_EMAIL: account.email,
      UPSTASH_API_KEY: account.apiKey,
      UPSTASH_REDIS_ID: id,
      GITHUB_API_URL: github.url,
      GITHUB_TOKEN: token,
      GITHUB_CHECK_REPOS: REPOSITORY,
      GITHUB_ID: CLIENT_ID,
      GITHUB_SECRET: clientSecret,
    },
  };
}

/** The production deployment, as the stand-in for Vercel uses it. */
interface Production {
  /** Host name and port. */
  readonly host: string;
  /** Restarts the functions with these variables. */
  serve(variables: Readonly<Record<string, string>>): Promise<FunctionHost>;
}

/** Vercel with the projects of the application and of this program, whose functions are restarted by a build. */
export async function startProjects(
  env: Readonly<Record<string, string>>,
  production: Production,
  undo: UndoList,
): Promise<{ vercel: VercelStandIn; vercelProxy: ServiceProxy; variables: Record<string, string> }> {
  const { GITHUB_ID, GITHUB_SECRET, GITHUB_TOKEN, UPSTASH_REDIS_REST_TOKEN, UPSTASH_REDIS_REST_URL } = env as Record<
    'GITHUB_ID' | 'GITHUB_SECRET' | 'GITHUB_TOKEN' | 'UPSTASH_REDIS_REST_TOKEN' | 'UPSTASH_REDIS_REST_URL',
    string
  >;
  const database = { UPSTASH_REDIS_REST_URL, UPSTASH_REDIS_REST_TOKEN };
  const vercel = await startVercelApi({
    team: TEAM,
    projects: {
      [PROJECTS.backup]: functionVariables(env),
      [PROJECTS.backend]: { ...database, GITHUB_TOKEN },
      [PROJECTS.dashboard]: { ...database, GITHUB_ID, GITHUB_SECRET },
    },
    domains: { [PROJECTS.backup]: [production.host] },
    build: (project, variables) =>
      project === PROJECTS.backup ? { until: production.serve(variables) } : { buildingReads: 0 },
  });
  undo.push(() => vercel.stop());
  const vercelProxy = await startServiceProxy({
    target: vercel.url,
    key: { header: 'authorization', value: vercel.token },
  });
  undo.push(() => vercelProxy.stop());
  const variables = {
    VERCEL_API_URL: vercelProxy.url,
    VERCEL_API_TOKEN: vercel.token,
    VERCEL_TEAM_ID: TEAM,
    SOULCASTER_BACKUP_PROJECT: PROJECTS.backup,
    SOULCASTER_BACKEND_PROJECT: PROJECTS.backend,
    SOULCASTER_DASHBOARD_PROJECT: PROJECTS.dashboard,
  };
  return { vercel, vercelProxy, variables };
}

export const gitHubToken = (token: string) =>
  ({ token, login: 'octo', scopes: ['repo'], repositories: { [REPOSITORY]: 'write' } }) as const;

export const freshGitHubToken = (): string => `ghp_${randomBytes(18).toString('hex')}`;

const freshToken = (): string => randomBytes(24).toString('base64url');

/** A receiver of alert messages and of the watchdog's pings. */
interface Receiver {
  readonly url: string;
  /** Texts of the alert messages so far, oldest first. */
  readonly alerts: readonly string[];
  /** Sets the listener for further alerts. */
  onAlert(callback: (text: string) => void): void;
  stop(): Promise<void>;
}

/** Accepts alert messages under /alerts and pings under /ping, on 127.0.0.1. */
async function startReceiver(): Promise<Receiver> {
  const alerts: string[] = [];
  let listener: (text: string) => void = () => undefined;
  const server = await serveApi(({ body, path }) => {
    if (path.startsWith('/alerts')) {
      const text = typeof body === 'object' && body !== null && 'text' in body ? String(body.text) : '';
      alerts.push(text);
      listener(text);
    }
    return { status: 200, body: { ok: true } };
  });
  return {
    url: server.url,
    alerts,
    onAlert: (callback) => void (listener = callback),
    stop: () => server.stop(),
  };
}
