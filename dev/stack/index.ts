import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import getPort from 'get-port';
import { startFunctionHost, type FunctionHost, type FunctionHostOptions } from '../function-host/index.js';
import { startQstash, type Qstash, type QstashOptions } from '../qstash/index.js';
import { startGemini, type Gemini, type GeminiOptions } from '../gemini/index.js';
import { startRedisServer } from '../redis-server.js';
import { startUpstashRedis, type UpstashRedisOptions, type UpstashRedisStandIn } from '../upstash-redis/index.js';
import { functionVariables } from '../../lib/app/config/names.js';
import { startUpstashVector, type UpstashVectorOptions, type UpstashVectorStandIn } from '../upstash-vector/index.js';
import { checkPorts, isPortTaken, portTaken } from './ports.js';
import { newSecrets, type StackSecrets } from './secrets.js';
import { bucketStore, folderStore } from './store.js';
import { undoList, type UndoList } from './undo.js';
import { openDoors, startProjects, startSurroundings, type Rehearsal } from './rehearsal.js';
import { envFileText, variablesOf, type StackParts } from './variables.js';

export { envFileText, newSecrets, type Rehearsal, type StackSecrets };

export interface StackOptions {
  /** Folder of the project whose built functions are served (dist/bundle/functions, public, vercel.json). */
  readonly root: string;
  /** Where data is kept. Default: a temporary folder that goes with the stack, and a database that keeps nothing. */
  readonly folder?: string;
  /** Ceph's S3 gateway instead of a folder as object store. */
  readonly s3?: boolean;
  /** Default: free ones. */
  readonly ports?: { readonly functions?: number; readonly redis?: number; readonly queue?: number };
  /** Default: random ones. */
  readonly secrets?: StackSecrets;
  /** Limit of every function in seconds; default that of vercel.json. Functions are told of it as well. */
  readonly limitSeconds?: number;
  /** Variables over those of the stack. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly redis?: Pick<UpstashRedisOptions, 'onRequest'>;
  readonly queue?: Pick<QstashOptions, 'speed' | 'retryAfterSpeed' | 'timedSchedules' | 'faults' | 'parallelism'>;
  readonly vector?: Pick<UpstashVectorOptions, 'indexDelayMs' | 'faults'>;
  /** Default: vectors that mean nothing and cost nothing (`hash`). */
  readonly gemini?: Pick<GeminiOptions, 'vectors' | 'delayMs' | 'textsPerMinute' | 'speed' | 'faults'>;
  readonly functions?: Pick<FunctionHostOptions, 'maxInstances' | 'onLog'>;
  /** Also what is around a deployment (accounts, standby, second store, alerts), each service with a door that can fail. */
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
  /** Null unless it was asked for. */
  readonly rehearsal: Rehearsal | null;
  /** Ends all processes and removes the temporary folder. May be called more than once. */
  stop(): Promise<void>;
}

/** Another process may take a free port before the function host binds it. */
const PORT_TRIES = 3;

/** Starts all parts. When one does not start, those before it are ended again and its error is thrown. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const undo = undoList();
  try {
    return await assemble(options, undo);
  } catch (error) {
    await undo.run().catch(() => undefined);
    throw isPortTaken(error) ? portTaken(error) : error;
  }
}

async function assemble(options: StackOptions, undo: UndoList): Promise<Stack> {
  await checkPorts(Object.values(options.ports ?? {}));
  const secrets = options.secrets ?? newSecrets();
  const folder = options.folder ?? (await temporaryFolder(undo));
  const store = await (options.s3 === true ? bucketStore(folder) : folderStore(folder));
  undo.push(() => store.stop());
  const rehearses = options.rehearsal === true;
  const ports = rehearses ? {} : (options.ports ?? {});
  const { server, redis, scratch } = await startDatabases({ ...options, ports }, folder, secrets, undo);
  const queue = await startQstash({
    token: secrets.queueToken,
    signingKeys: { current: secrets.currentSigningKey, next: secrets.nextSigningKey },
    ...given('port', ports.queue),
    ...options.queue,
  });
  undo.push(() => queue.stop());
  const vector = await startUpstashVector({ token: secrets.vectorToken, ...options.vector });
  undo.push(() => vector.stop());
  const gemini = await startGemini({ apiKey: secrets.geminiKey, vectors: 'hash', ...options.gemini });
  undo.push(() => gemini.stop());
  const parts = { redis, scratch, queue, store, vector, gemini, secrets };
  const rehearsal = rehearses ? await rehearsed(options, folder, parts, server.url, undo) : null;
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

/** The functions with everything around them; Vercel's stand-in serves them anew when it builds their project. */
async function rehearsed(options: StackOptions, folder: string, parts: Parts, server: string, undo: UndoList) {
  const { behind, doors } = await openDoors(parts, options.ports ?? {}, undo);
  const surroundings = await startSurroundings(folder, { redis: behind.redis, server }, undo);
  const made: { projects?: Pick<Rehearsal, 'vercel' | 'vercelDoor'> } = {};
  const started = await startFunctions(
    options,
    async (publicUrl, serve) => {
      const env = { ...variablesOf({ ...behind, publicUrl }), ...surroundings.variables };
      const host = new URL(publicUrl).host;
      const { variables, vercel, vercelDoor } = await startProjects(env, { host, serve }, undo);
      made.projects = { vercel, vercelDoor };
      return { ...env, ...variables };
    },
    undo,
  );
  if (made.projects === undefined) throw new TypeError('no projects');
  const rehearsal = { ...surroundings, ...made.projects, doors, changeStoreKeys: parts.store.changeKeys };
  return { ...started, rehearsal };
}

/** The protected database and, in a separate server that keeps nothing, the one that drills fill and wipe. */
async function startDatabases(options: StackOptions, folder: string, secrets: StackSecrets, undo: UndoList) {
  const server = await startRedisServer(options.folder === undefined ? {} : { folder: await made(folder, 'redis') });
  undo.push(() => server.stop());
  const redis = await startUpstashRedis({
    redisUrl: server.url,
    token: secrets.redisToken,
    readOnlyToken: secrets.redisReadOnlyToken,
    ...given('port', options.ports?.redis),
    ...options.redis,
  });
  undo.push(() => redis.stop());
  const scratchServer = await startRedisServer();
  undo.push(() => scratchServer.stop());
  const scratch = await startUpstashRedis({ redisUrl: scratchServer.url, token: secrets.scratchToken });
  undo.push(() => scratch.stop());
  return { server, redis, scratch };
}

/** Serves the functions with other variables, in the place of those that are served. */
type Serve = (variables: Readonly<Record<string, string>>) => Promise<FunctionHost>;

async function startFunctions(
  options: StackOptions,
  variables: (publicUrl: string, serve: Serve) => Promise<Record<string, string>>,
  undo: UndoList,
): Promise<{ functions: { now(): FunctionHost }; env: Record<string, string> }> {
  const { limitSeconds, root } = options;
  for (let attempt = 1; ; attempt++) {
    // The functions must know their own address before they are served.
    const port = options.ports?.functions ?? (await getPort({ host: '127.0.0.1' }));
    const limit = limitSeconds === undefined ? {} : { FUNCTION_LIMIT_SECONDS: String(limitSeconds) };
    const start: Serve = (env) =>
      startFunctionHost({ root, env, port, ...given('limitSeconds', limitSeconds), ...options.functions });
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

async function made(parent: string, name: string): Promise<string> {
  const folder = join(parent, name);
  await mkdir(folder, { recursive: true });
  return folder;
}

function given<K extends string>(name: K, value: number | undefined): Partial<Record<K, number>> {
  return value === undefined ? {} : ({ [name]: value } as Record<K, number>);
}
