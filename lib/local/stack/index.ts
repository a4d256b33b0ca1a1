import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import getPort from 'get-port';
import { startFunctionHost, type FunctionHost, type FunctionHostOptions } from '../function-host/index.js';
import { startQstash, type Qstash, type QstashOptions } from '../qstash/index.js';
import { startGemini, type Gemini, type GeminiOptions } from '../gemini/index.js';
import { startRedisServer } from '../redis-server.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../upstash-redis/index.js';
import { startUpstashVector, type UpstashVectorOptions, type UpstashVectorStandIn } from '../upstash-vector/index.js';
import { checkPorts, isPortTaken, portTaken } from './ports.js';
import { newSecrets, type StackSecrets } from './secrets.js';
import { bucketStore, folderStore } from './store.js';
import { undoList, type UndoList } from './undo.js';
import { envFileText, variablesOf } from './variables.js';

export { envFileText, newSecrets, type StackSecrets };

export interface StackOptions {
  /** Folder of the project whose built functions are served (dist/bundle/api, public, vercel.json). */
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
  readonly queue?: Pick<QstashOptions, 'speed' | 'retryAfterSpeed' | 'faults' | 'parallelism'>;
  readonly vector?: Pick<UpstashVectorOptions, 'indexDelayMs' | 'faults'>;
  /** Default: vectors that mean nothing and cost nothing (`hash`). */
  readonly gemini?: Pick<GeminiOptions, 'vectors' | 'delayMs' | 'textsPerMinute' | 'speed' | 'faults'>;
  readonly functions?: Pick<FunctionHostOptions, 'maxInstances' | 'killAfterMs' | 'onLog'>;
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
  const { server, redis, scratch } = await startDatabases(options, folder, secrets, undo);
  const queue = await startQstash({
    token: secrets.queueToken,
    signingKeys: { current: secrets.currentSigningKey, next: secrets.nextSigningKey },
    ...given('port', options.ports?.queue),
    ...options.queue,
  });
  undo.push(() => queue.stop());
  const vector = await startUpstashVector({ token: secrets.vectorToken, ...options.vector });
  undo.push(() => vector.stop());
  const gemini = await startGemini({ apiKey: secrets.geminiKey, vectors: 'hash', ...options.gemini });
  undo.push(() => gemini.stop());
  const { functions, env } = await startFunctions(options, (publicUrl) =>
    variablesOf({ redis, scratch, queue, store, vector, gemini, publicUrl, secrets }),
  );
  undo.push(() => functions.stop());
  const urls = {
    functions: functions.url,
    redisRest: redis.url,
    redis: server.url,
    scratch: scratch.url,
    queue: queue.url,
    vector: vector.url,
    gemini: gemini.url,
    s3: store.endpoint,
  };
  return { env, secrets, urls, redis, queue, vector, gemini, functions, stop: () => undo.run() };
}

/** The protected database and, in a server of its own that keeps nothing, the one that drills fill and wipe. */
async function startDatabases(options: StackOptions, folder: string, secrets: StackSecrets, undo: UndoList) {
  const server = await startRedisServer(options.folder === undefined ? {} : { folder: await made(folder, 'redis') });
  undo.push(() => server.stop());
  const redis = await startUpstashRedis({
    redisUrl: server.url,
    token: secrets.redisToken,
    readOnlyToken: secrets.redisReadOnlyToken,
    ...given('port', options.ports?.redis),
  });
  undo.push(() => redis.stop());
  const scratchServer = await startRedisServer();
  undo.push(() => scratchServer.stop());
  const scratch = await startUpstashRedis({ redisUrl: scratchServer.url, token: secrets.scratchToken });
  undo.push(() => scratch.stop());
  return { server, redis, scratch };
}

async function startFunctions(
  options: StackOptions,
  variables: (publicUrl: string) => Record<string, string>,
): Promise<{ functions: FunctionHost; env: Record<string, string> }> {
  const { limitSeconds, root } = options;
  for (let attempt = 1; ; attempt++) {
    // The functions must know their own address before they are served.
    const port = options.ports?.functions ?? (await getPort({ host: '127.0.0.1' }));
    const limit = limitSeconds === undefined ? {} : { FUNCTION_LIMIT_SECONDS: String(limitSeconds) };
    const env = { ...variables(`http://127.0.0.1:${port}`), ...limit, ...options.variables };
    try {
      const host = { root, env, port, ...given('limitSeconds', limitSeconds), ...options.functions };
      return { functions: await startFunctionHost(host), env };
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
