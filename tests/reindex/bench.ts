import { AppError } from '../../lib/errors.js';
import { geminiEmbedder } from '../../lib/adapters/gemini-embedder.js';
import { inProcessQueue } from '../../lib/adapters/in-process-queue.js';
import { silentLog } from '../../lib/adapters/json-log.js';
import { systemClock } from '../../lib/adapters/clock.js';
import { upstashRedis } from '../../lib/adapters/upstash-redis.js';
import { upstashVector } from '../../lib/adapters/upstash-vector.js';
import { startGemini, type Gemini } from '../../lib/local/gemini/index.js';
import { startUpstashRedis } from '../../lib/local/upstash-redis/index.js';
import { startUpstashVector, type UpstashVectorStandIn } from '../../lib/local/upstash-vector/index.js';
import type { Clock, ObjectStore, RedisPort } from '../../lib/ports/index.js';
import type { VectorIndex } from '../../lib/ports/vector-index.js';
import type { Embedder } from '../../lib/ports/embedder.js';
import type { ReindexPorts, ReindexSettings } from '../../lib/reindex/context.js';
import type { ReindexInput } from '../../lib/reindex/model.js';
import { reindexRun } from '../../lib/reindex/run.js';
import { prepareReindex, startReindex } from '../../lib/reindex/start.js';
import { isOver } from '../../lib/runs/ending.js';
import { createEngine, type Engine } from '../../lib/runs/engine.js';
import type { Budget } from '../../lib/runs/leg.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { loadRun } from '../../lib/runs/records.js';
import { sleepyClock, TIMES, type SleepyClock } from './clock.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

const RETRY_SOON = { attempts: 2, baseMs: 1, capMs: 5 };
const ENOUGH_STEPS = 2000;

/** What a run may be given in place of what the bench has. */
export interface Parts {
  readonly redis: RedisPort;
  readonly store: ObjectStore;
  readonly vectors: VectorIndex;
  readonly embedder: Embedder;
  readonly settings: Partial<ReindexSettings>;
  /** Milliseconds of the bench's clock that a leg may take; then each request to Redis takes one. */
  readonly legMs: number;
}

/** A real database, stand-ins for the index and the embedder, and re-indexing over them. */
export interface ReindexBench {
  readonly database: TestDatabase;
  readonly folder: FolderStore;
  readonly gemini: Gemini;
  readonly index: UpstashVectorStandIn;
  readonly ports: ReindexPorts;
  readonly clock: SleepyClock;
  readonly queue: ReturnType<typeof inProcessQueue>;
  engine(parts?: Partial<Parts>): Engine;
  start(engine: Engine, input?: Partial<ReindexInput>): Promise<string>;
  /** Re-indexes to the end within this process, in as many legs as it takes. */
  run(input?: Partial<ReindexInput>, parts?: Partial<Parts>): Promise<RunRecord>;
  /** The same over the queue: every message that is published is delivered, in the order that `next` picks. */
  runQueued(input: Partial<ReindexInput>, parts?: Partial<Parts>, next?: Pick): Promise<RunRecord>;
  load(id: string): Promise<RunRecord>;
  /** Another stand-in with the same vectors, without faults. */
  readonly twin: Gemini;
  budget(legMs?: number, lastAttempt?: boolean): Budget;
  stop(): Promise<void>;
}

/** Takes one or more messages out of those that wait, to be delivered now. */
export type Pick = (waiting: string[]) => string[];

export const SETTINGS: ReindexSettings = {
  dimensions: 768,
  cutCodePoints: 1500,
  inline: 4,
  parallelism: 4,
  textsPerMinute: null,
  rateKey: 'gemini-test',
  patience: true,
};

export async function openReindexBench(options: { indexDelayMs?: number } = {}): Promise<ReindexBench> {
  const database = await startTestDatabase();
  const redis = await startUpstashRedis({ redisUrl: database.url, token: 'test' });
  const index = await startUpstashVector({ indexDelayMs: options.indexDelayMs ?? 0 });
  const gemini = await startGemini({ vectors: 'hash' });
  const twin = await startGemini({ vectors: 'hash' });
  const clock = sleepyClock();
  const folder = await folderStore(clock);
  const real = systemClock();
  const queue = inProcessQueue();
  const ports: ReindexPorts = {
    clock,
    log: silentLog(),
    store: folder.store,
    redis: upstashRedis({ url: redis.url, token: 'test', clock: real, retry: RETRY_SOON }),
    vectors: upstashVector({ url: index.url, token: index.token, clock: real, retry: RETRY_SOON }),
    embedder: geminiEmbedder({ apiKey: gemini.apiKey, baseUrl: gemini.url, clock: real, retry: RETRY_SOON }),
  };
  const engine = (parts: Partial<Parts> = {}): Engine => {
    const own = { ...ports, ...parts };
    if (parts.legMs !== undefined) own.redis = ticking(own.redis, clock);
    return createEngine({ ...own, queue }, [reindexRun(own, { ...SETTINGS, ...parts.settings })], TIMES);
  };
  const load = async (id: string): Promise<RunRecord> => (await loadRun(folder.store, id)).record;
  const start = async (worker: Engine, input: Partial<ReindexInput> = {}): Promise<string> => {
    clock.advance(1000);
    const request: ReindexInput = { scope: { all: true }, mode: 'in-place', dryRun: false, trigger: 'cli', ...input };
    const started = await startReindex(worker, await prepareReindex(ports, request));
    if (!started.started) throw new Error(`held by ${started.holder}`);
    return started.run.id;
  };
  return {
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
    async run(input, parts = {}) {
      const worker = engine(parts);
      const id = await start(worker, input);
      for (let legs = 0; legs < ENOUGH_STEPS; legs++) {
        const run = await worker.work(id, budgetOf(clock, parts.legMs));
        if (isOver(run)) return run;
      }
      throw new Error('the run does not come to its end');
    },
    async runQueued(input, parts = {}, next = (waiting) => waiting.splice(0, 1)) {
      const worker = engine({ ...parts, settings: { inline: 0, patience: false, ...parts.settings } });
      const id = await start(worker, input);
      await worker.enqueue(id);
      const waiting: string[] = [];
      for (let steps = 0; steps < ENOUGH_STEPS; steps++) {
        for (let body = queue.take(); body !== null; body = queue.take()) waiting.push(body);
        if (waiting.length === 0) return load(id);
        for (const body of next(waiting)) {
          const again = await worker.deliver(body, budgetOf(clock, parts.legMs)).then(() => null, retryAfter);
          if (again === null) continue;
          clock.advance(again);
          waiting.push(body);
        }
      }
      throw new Error('the run does not come to its end');
    },
    budget: (legMs, lastAttempt) => budgetOf(clock, legMs, lastAttempt),
    async stop() {
      await redis.stop();
      await index.stop();
      await gemini.stop();
      await twin.stop();
      await database.stop();
      await folder.remove();
    },
  };
}

/** What the queue makes of an error: it comes again later, or gives the message up. */
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

function budgetOf(clock: Clock, legMs = Infinity, lastAttempt = false): Budget {
  return { deadline: clock.now() + legMs, lastAttempt, interrupt: new AbortController().signal };
}
