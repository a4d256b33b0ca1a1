import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { createServer } from 'node:net';
import getPort from 'get-port';
import { startFunctionHost, type FunctionHost, type FunctionHostOptions } from '../function-host/index.js';
import { startQstash, type Qstash, type QstashOptions } from '../qstash/index.js';
import { startGemini, type Gemini, type GeminiOptions } from '../gemini/index.js';
import { startRedisServer } from '../redis-server.js';
import { startUpstashRedis, type UpstashRedisOptions, type UpstashRedisStandIn } from '../upstash-redis/index.js';
import { functionVariables } from '../../lib/app/config/names.js';
import { startUpstashVector, type UpstashVectorOptions, type UpstashVectorStandIn } from '../upstash-vector/index.js';
import {
  newSecrets,
  type StackSecrets,
  bucketStore,
  folderStore,
  undoList,
  type UndoList,
  envFileText,
  variablesOf,
  type StackParts,
} from './parts.js';
import { startProxies, startProjects, startSurroundings, type Rehearsal } from './rehearsal.js';
import { AppError } from '../../lib/errors.js';

export { envFileText, newSecrets, type Rehearsal, type StackSecrets };

export interface StackOptions {
  /** Folder of the project whose built functions are served (dist/bundle/functions, public, vercel.json). */
  readonly root: string;
  /** Folder of the data. Default: a temporary folder, removed with the stack, and a database without persistence. */
  readonly folder?: string;
  /** Ceph's S3 gateway instead of a folder as object store. */
  readonly s3?: boolean;
  /** Default: free ports. */
  readonly ports?: { readonly functions?: number; readonly redis?: number; readonly queue?: number };
  /** Default: random secrets. */
  readonly secrets?: StackSecrets;
  /** Limit of every function in seconds, also set as a variable; default: the limits of vercel.json. */
  readonly limitSeconds?: number;
  /** Variables that override those of the stack. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly redis?: Pick<UpstashRedisOptions, 'onRequest'>;
  readonly queue?: Pick<QstashOptions, 'speed' | 'retryAfterSpeed' | 'timedSchedules' | 'faults' | 'parallelism'>;
  readonly vector?: Pick<UpstashVectorOptions, 'indexDelayMs' | 'faults'>;
  /** Default: pseudo-random vectors without CPU cost (`hash`). */
  readonly gemini?: Pick<GeminiOptions, 'vectors' | 'delayMs' | 'textsPerMinute' | 'speed' | 'faults'>;
  readonly functions?: Pick<FunctionHostOptions, 'maxInstances' | 'onLog'>;
  /** Whether to start the surroundings of a deployment (accounts, standby, second store, alerts) and a fault proxy per service. */
  readonly rehearsal?: boolean;
}

/** A running stack: everything that the product needs, on this machine. */
export interface Stack {
  /** All variables, for functions and for the command line. */
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: StackSecrets;
  readonly urls: {
    readonly functions: string;
    /** Upstash's REST protocol. */
    readonly redisRest: string;
    /** The redis-server behind it, `redis://...`. */
    readonly redis: string;
    /** Upstash's REST protocol before the database that drills restore into. */
    readonly scratch: string;
    readonly queue: string;
    readonly vector: string;
    readonly gemini: string;
    /** Null when the store is a folder. */
    readonly s3: string | null;
  };
  readonly redis: UpstashRedisStandIn;
  readonly queue: Qstash;
  readonly vector: UpstashVectorStandIn;
  readonly gemini: Gemini;
  readonly functions: FunctionHost;
  /** Null unless requested. */
  readonly rehearsal: Rehearsal | null;
  /** Ends all processes and removes the temporary folder. May be called more than once. */
  stop(): Promise<void>;
}

/** Another process may take a free port before the function host binds it. */
const PORT_TRIES = 3;

/** Starts all parts. When one does not start, ends those before it and throws its error. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const undo = undoList();
  try {
    return await assemble(options, undo);
  } catch (error) {
    await undo.run().catch(() => undefined);
    throw isPortTaken(error) ? portTakenError(error) : error;
  }
}

async function assemble(options: StackOptions, undo: UndoList): Promise<Stack> {
  await checkPorts(Object.values(options.ports ?? {}));
  const secrets = options.secrets ?? newSecrets();
  const folder = options.folder ?? (await temporaryFolder(undo));
  const store = await (options.s3 === true ? bucketStore(folder) : folderStore(folder));
  undo.push(() => store.stop());
  const isRehearsal = options.rehearsal === true;
  const ports = isRehearsal ? {} : (options.ports ?? {});
  const { server, redis, scratch } = await startDatabases({ ...options, ports }, folder, secrets, undo);
  const queue = await startQstash({
    token: secrets.queueToken,
    signingKeys: { current: secrets.currentSigningKey, next: secrets.nextSigningKey },
    ...optional('port', ports.queue),
    ...options.queue,
  });
  undo.push(() => queue.stop());
  const vector = await startUpstashVector({ token: secrets.vectorToken, ...options.vector });
  undo.push(() => vector.stop());
  const gemini = await startGemini({ apiKey: secrets.geminiKey, vectors: 'hash', ...options.gemini });
  undo.push(() => gemini.stop());
  const parts = { redis, scratch, queue, store, vector, gemini, secrets };
  const rehearsal = isRehearsal ? await startRehearsal(options, folder, parts, server.url, undo) : null;
  const { functions, env } =
    rehearsal ??
    (await startFunctions(options, (publicUrl) => Promise.resolve(variablesOf({ ...parts, publicUrl })), undo));
  const urls = {
    functions: functions.now().url,
    redisRest: env['UPSTASH_REDIS_REST_URL'] ?? '',
    redis: server.url,
    scratch: scratch.url,
    queue: env['QSTASH_URL'] ?? '',
    vector: env['UPSTASH_VECTOR_REST_URL'] ?? '',
    gemini: env['GEMINI_BASE_URL'] ?? '',
    s3: env['S3_ENDPOINT'] ?? store.endpoint,
  };
  return {
    ...{ env, secrets, urls, redis, queue, vector, gemini },
    get functions() {
      return functions.now();
    },
    rehearsal: rehearsal?.rehearsal ?? null,
    stop: () => undo.run(),
  };
}

type Parts = Omit<StackParts, 'publicUrl'>;

/** Starts the functions with their surroundings; Vercel's stand-in restarts them when it builds their project. */
async function startRehearsal(options: StackOptions, folder: string, parts: Parts, server: string, undo: UndoList) {
  const { proxied, proxies } = await startProxies(parts, options.ports ?? {}, undo);
  const surroundings = await startSurroundings(folder, { redis: proxied.redis, server }, undo);
  const made: { projects?: Pick<Rehearsal, 'vercel' | 'vercelProxy'> } = {};
  const started = await startFunctions(
    options,
    async (publicUrl, serve) => {
      const env = { ...variablesOf({ ...proxied, publicUrl }), ...surroundings.variables };
      const host = new URL(publicUrl).host;
      const { variables, vercel, vercelProxy } = await startProjects(env, { host, serve }, undo);
      made.projects = { vercel, vercelProxy };
      return { ...env, ...variables };
    },
    undo,
  );
  if (made.projects === undefined) throw new TypeError('no projects');
  const rehearsal = { ...surroundings, ...made.projects, proxies, changeStoreKeys: parts.store.changeKeys };
  return { ...started, rehearsal };
}

/** The protected database and, in a separate server without persistence, the scratch database of drills. */
async function startDatabases(options: StackOptions, folder: string, secrets: StackSecrets, undo: UndoList) {
  const server = await startRedisServer(
    options.folder === undefined ? {} : { folder: await createFolder(folder, 'redis') },
  );
  undo.push(() => server.stop());
  const redis = await startUpstashRedis({
    redisUrl: server.url,
    token: secrets.redisToken,
    readOnlyToken: secrets.redisReadOnlyToken,
    ...optional('port', options.ports?.redis),
    ...options.redis,
  });
  undo.push(() => redis.stop());
  const scratchServer = await startRedisServer();
  undo.push(() => scratchServer.stop());
  const scratch = await startUpstashRedis({ redisUrl: scratchServer.url, token: secrets.scratchToken });
  undo.push(() => scratch.stop());
  return { server, redis, scratch };
}

/** Restarts the functions with other variables. */
type Serve = (variables: Readonly<Record<string, string>>) => Promise<FunctionHost>;

async function startFunctions(
  options: StackOptions,
  variables: (publicUrl: string, serve: Serve) => Promise<Record<string, string>>,
  undo: UndoList,
): Promise<{ functions: { now(): FunctionHost }; env: Record<string, string> }> {
  const { limitSeconds, root } = options;
  for (let attempt = 1; ; attempt++) {
    // The functions need their public address in a variable before they start.
    const port = options.ports?.functions ?? (await getPort({ host: '127.0.0.1' }));
    const limit = limitSeconds === undefined ? {} : { FUNCTION_LIMIT_SECONDS: String(limitSeconds) };
    const start: Serve = (env) =>
      startFunctionHost({ root, env, port, ...optional('limitSeconds', limitSeconds), ...options.functions });
    let host: FunctionHost | null = null;
    const now = (): FunctionHost => {
      if (host === null) throw new TypeError('the functions are not served');
      return host;
    };
    const serve: Serve = async (env) => {
      await host?.stop();
      return (host = await start(env));
    };
    const env = { ...(await variables(`http://127.0.0.1:${port}`, serve)), ...limit, ...options.variables };
    try {
      host = await start(options.rehearsal === true ? functionVariables(env) : env);
      undo.push(() => now().stop());
      return { functions: { now }, env };
    } catch (error) {
      if (!isPortTaken(error) || options.ports?.functions !== undefined || attempt === PORT_TRIES) throw error;
    }
  }
}

async function temporaryFolder(undo: UndoList): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'soulcaster-stack-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function createFolder(parent: string, name: string): Promise<string> {
  const folder = join(parent, name);
  await mkdir(folder, { recursive: true });
  return folder;
}

function optional<K extends string>(name: K, value: number | undefined): Partial<Record<K, number>> {
  return value === undefined ? {} : ({ [name]: value } as Record<K, number>);
}

/**
 * Throws `config` when one of the ports is taken. Call it before anything is started: a part that fails on its port may
 * already have started something else.
 */
async function checkPorts(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      throw isPortTaken(error) ? portTakenError(error) : error;
    } finally {
      server.close();
    }
  }
}

function isPortTaken(error: unknown): boolean {
  return String(error).includes('EADDRINUSE');
}

function portTakenError(cause: unknown): AppError {
  return new AppError('config', 'A port of the local stack is taken by another process', {
    hint: 'Choose another port, or leave the choice to the system.',
    cause,
  });
}
