import { AppError } from '../../lib/errors.js';
import { geminiEmbedder } from '../../lib/services/gemini/embedder.js';
import { inProcessQueue, silentLog } from '../../lib/app/in-process.js';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { upstashVector } from '../../lib/services/upstash-vector/index.js';
import { startGemini, type Gemini } from '../../dev/gemini/index.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { startUpstashVector, type UpstashVectorStandIn } from '../../dev/upstash-vector/index.js';
import type { Clock, ObjectStore, RedisPort } from '../../lib/ports/index.js';
import type { VectorIndex } from '../../lib/ports/vector-index.js';
import type { Embedder } from '../../lib/ports/embedder.js';
import type { ReindexPorts, ReindexSettings } from '../../lib/reindex/context.js';
import { reindexRun } from '../../lib/reindex/run.js';
import { prepareReindex, retryInput, startReindex, type ReindexRequest, type Wanted } from '../../lib/reindex/start.js';
import { isOver, type RunRecord } from '../../lib/runs/model.js';
import { createEngine, type Engine } from '../../lib/runs/engine.js';
import type { Budget } from '../../lib/runs/attempt.js';
import { loadRun } from '../../lib/runs/records.js';
import { TEXT_RULE } from '../../lib/soulcaster/index-models.js';
import { withNamespaceSuffix } from '../../lib/app/connect/indexes.js';
import { sleepyClock, TIMES, type SleepyClock } from './clock.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

const RETRY_SOON = { attempts: 2, baseMs: 1, capMs: 5 };
const ENOUGH_STEPS = 2000;

/** Replacements for parts of the bench. */
export interface Parts {
  readonly redis: RedisPort;
  readonly store: ObjectStore;
  readonly vectors: VectorIndex;
  readonly embedder: Embedder;
  readonly settings: Partial<ReindexSettings>;
  /** Time limit of an attempt in milliseconds of the bench's clock; each request to Redis then takes one. */
  readonly attemptMs: number;
}

/** A real database, stand-ins for the index and the embedder, and re-indexes that use them. */
export interface ReindexBench {
  readonly database: TestDatabase;
  readonly folder: FolderStore;
  readonly gemini: Gemini;
  readonly index: UpstashVectorStandIn;
  readonly ports: ReindexPorts;
  readonly clock: SleepyClock;
  readonly queue: ReturnType<typeof inProcessQueue>;
  engine(parts?: Partial<Parts>): Engine;
  /** A second index, for vectors that are built beside the first. */
  readonly next: UpstashVectorStandIn;
  start(engine: Engine, input?: Partial<ReindexRequest>, parts?: Partial<Parts>, wanted?: Wanted): Promise<string>;
  /** Re-indexes to the end within this process, in as many attempts as necessary. */
  run(input?: Partial<ReindexRequest>, parts?: Partial<Parts>, wanted?: Wanted): Promise<RunRecord>;
  /** Finishes the work of an incomplete run. */
  retry(id: string, parts?: Partial<Parts>): Promise<RunRecord>;
  /** The same over the queue: every message that is published is delivered, in the order that `next` picks. */
  runQueued(input: Partial<ReindexRequest>, parts?: Partial<Parts>, next?: Pick): Promise<RunRecord>;
  load(id: string): Promise<RunRecord>;
  /** Another stand-in with the same vectors, without faults. */
  readonly twin: Gemini;
  budget(attemptMs?: number, lastAttempt?: boolean): Budget;
  stop(): Promise<void>;
}

/** Picks one or more of the waiting messages for delivery. */
export type Pick = (waiting: string[]) => string[];

export const SETTINGS: ReindexSettings = {
  dimensions: 768,
  cutCodePoints: 1500,
  inline: 4,
  parallelism: 4,
  updatesPerDay: Infinity,
  patience: true,
};

export async function openReindexBench(options: { indexDelayMs?: number } = {}): Promise<ReindexBench> {
  const database = await startTestDatabase();
  const redis = await startUpstashRedis({ redisUrl: database.url, token: 'test' });
  const index = await startUpstashVector({ indexDelayMs: options.indexDelayMs ?? 0 });
  const gemini = await startGemini({ vectors: 'hash' });
  const twin = await startGemini({ vectors: 'hash' });
  const next = await startUpstashVector({ indexDelayMs: options.indexDelayMs ?? 0 });
  const clock = sleepyClock();
  const folder = await folderStore(clock);
  const real = systemClock();
  const queue = inProcessQueue();
  const embedderOf = ({ dimensions, model }: { dimensions: number; model: string }): Embedder =>
    geminiEmbedder({
      apiKey: gemini.apiKey,
      baseUrl: gemini.url,
      limits: { textsPerMinute: null, tokensPerMinute: null, textsPerDay: Infinity },
      clock: real,
      retry: RETRY_SOON,
      model,
      dimensions,
    });
  const indexAt = ({ token, url }: UpstashVectorStandIn): VectorIndex =>
    upstashVector({ url, token, clock: real, retry: RETRY_SOON });
  const recipe = { model: 'gemini-embedding-001', dimensions: 768, cutCodePoints: 1500, textRule: TEXT_RULE };
  const ports: ReindexPorts = {
    clock,
    log: silentLog(),
    store: folder.store,
    redis: upstashRedis({ url: redis.url, token: 'test', clock: real, retry: RETRY_SOON }),
    vectors: indexAt(index),
    embedder: embedderOf(recipe),
    recipe,
    elsewhere: {
      embedderOf,
      indexOf: (beside) => withNamespaceSuffix(indexAt(beside.index === 'next' ? next : index), beside.suffix),
    },
  };
  const portsOf = (parts: Partial<Parts>): ReindexPorts => {
    const own = { ...ports, ...parts };
    const { dimensions, model } = own.embedder;
    const cutCodePoints = parts.settings?.cutCodePoints ?? recipe.cutCodePoints;
    return { ...own, recipe: { ...recipe, model, dimensions, cutCodePoints } };
  };
  const engine = (parts: Partial<Parts> = {}): Engine => {
    const given = portsOf(parts);
    const own = parts.attemptMs === undefined ? given : { ...given, redis: ticking(given.redis, clock) };
    return createEngine({ ...own, queue }, [reindexRun(own, { ...SETTINGS, ...parts.settings })], TIMES);
  };
  const load = async (id: string): Promise<RunRecord> => (await loadRun(folder.store, id)).record;
  const start: ReindexBench['start'] = async (worker, input = {}, parts = {}, wanted = {}) => {
    clock.advance(1000);
    const request: ReindexRequest = { scope: { all: true }, mode: 'in-place', dryRun: false, trigger: 'cli', ...input };
    const { embedder = ports.embedder, settings = {} } = parts;
    const prepared = await prepareReindex(portsOf({ embedder, settings }), request, wanted);
    const started = await startReindex(worker, prepared);
    if (!started.started) throw new Error(`held by ${started.holder}`);
    return started.run.id;
  };
  const bench: ReindexBench = {
    database,
    folder,
    gemini,
    index,
    ports,
    clock,
    queue,
    engine,
    start,
    load,
    twin,
    next,
    async retry(id, parts = {}) {
      return bench.run(await retryInput(ports, id, 'cli'), parts);
    },
    async run(input, parts = {}, wanted = {}) {
      const worker = engine(parts);
      const id = await start(worker, input, parts, wanted);
      for (let attempts = 0; attempts < ENOUGH_STEPS; attempts++) {
        const run = await worker.work(id, budgetOf(clock, parts.attemptMs));
        if (isOver(run)) return run;
      }
      throw new Error('the run does not come to its end');
    },
    async runQueued(input, parts = {}, next = (waiting) => waiting.splice(0, 1)) {
      const worker = engine({ ...parts, settings: { inline: 0, patience: false, ...parts.settings } });
      const id = await start(worker, input, parts);
      await worker.enqueue(id);
      const waiting: string[] = [];
      for (let steps = 0; steps < ENOUGH_STEPS; steps++) {
        for (let body = queue.take(); body !== null; body = queue.take()) waiting.push(body);
        if (waiting.length === 0) return load(id);
        for (const body of next(waiting)) {
          const again = await worker.deliver(body, budgetOf(clock, parts.attemptMs)).then(() => null, retryAfter);
          if (again === null) continue;
          clock.advance(again);
          waiting.push(body);
        }
      }
      throw new Error('the run does not come to its end');
    },
    budget: (attemptMs, lastAttempt) => budgetOf(clock, attemptMs, lastAttempt),
    async stop() {
      await redis.stop();
      await index.stop();
      await next.stop();
      await gemini.stop();
      await twin.stop();
      await database.stop();
      await folder.remove();
    },
  };
  return bench;
}

/** When the queue delivers the message again after an error, or that it gives up. */
function retryAfter(error: unknown): number {
  if (error instanceof AppError && error.transient) return error.retryAfterMs ?? 1000;
  throw error;
}

function ticking(redis: RedisPort, clock: SleepyClock): RedisPort {
  return {
    ...redis,
    pipeline(commands) {
      clock.advance(1);
      return redis.pipeline(commands);
    },
  };
}

function budgetOf(clock: Clock, attemptMs = Infinity, lastAttempt = false): Budget {
  return { deadline: clock.now() + attemptMs, lastAttempt, interrupt: new AbortController().signal };
}
