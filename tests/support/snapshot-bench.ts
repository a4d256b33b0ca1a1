import { silentLog, inProcessQueue } from '../../lib/app/in-process.js';
import { ed25519Signer } from '../../lib/crypto/ed25519.js';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import type { Clock, ObjectStore, RedisPort, Encryptor, Signer } from '../../lib/ports/index.js';
import { isOver, type RunRecord } from '../../lib/runs/model.js';
import { createEngine, type Engine } from '../../lib/runs/engine.js';
import { loadManifest, type Manifest } from '../../lib/snapshot/manifest.js';
import { snapshotRun, startSnapshot } from '../../lib/snapshot/run.js';
import { DEFAULT_SNAPSHOT_SETTINGS, type SnapshotSettings } from '../../lib/snapshot/settings.js';
import { startVerify, verifyRun } from '../../lib/snapshot/verify.js';
import { compareSnapshot, type Comparison } from './compare.js';
import { folderStore, type FolderStore } from './folder-store.js';
import { startTestDatabase, type TestDatabase } from './test-database.js';

export const TIMES = { attemptTtlMs: 60_000, holdMs: 600_000 };
const ENOUGH_LEGS = 2000;

/** A clock that stands still until a test moves it. Nothing that sleeps on it wakes, but by its signal. */
export interface SteppedClock extends Clock {
  advance(ms: number): void;
}

/** What a snapshot or a verification may be given in place of what the bench has. */
interface Parts {
  readonly redis: RedisPort;
  readonly store: ObjectStore;
  readonly encryptor: Encryptor;
  readonly signer: Signer;
  readonly settings: Partial<SnapshotSettings>;
  /** Milliseconds of the bench's clock that an attempt may take. */
  readonly attemptMs: number;
}

export interface Taken {
  readonly id: string;
  readonly run: RunRecord;
  /** Null when the run ended without one. */
  readonly manifest: Manifest | null;
  readonly attempts: number;
}

/** A real database behind the stand-in, a folder store, and the runs over them. */
export interface SnapshotBench {
  readonly database: TestDatabase;
  readonly port: RedisPort;
  readonly folder: FolderStore;
  readonly clock: SteppedClock;
  engine(parts?: Partial<Parts>): Engine;
  /** Takes a snapshot to its end, in as many attempts as it needs. Each has an id of a later second. */
  take(parts?: Partial<Parts>): Promise<Taken>;
  /** The same, and a failure of the test unless it came out complete. */
  takeWhole(parts?: Partial<Parts>): Promise<Taken & { readonly manifest: Manifest }>;
  verify(id: string, parts?: Partial<Parts>): Promise<RunRecord>;
  compare(id: string): Promise<Comparison>;
  stop(): Promise<void>;
}

export async function openSnapshotBench(
  limits: { replyBytes?: number; program?: string } = {},
): Promise<SnapshotBench> {
  const database = await startTestDatabase(limits.program);
  const { replyBytes } = limits;
  const limit = replyBytes === undefined ? {} : { requestLimitBytes: replyBytes };
  const server = await startUpstashRedis({ redisUrl: database.url, token: 'test', ...limit });
  const port = upstashRedis({ url: server.url, token: 'test', clock: systemClock() });
  const clock = steppedClock();
  const folder = await folderStore(clock);

  const engine = (parts: Partial<Parts> = {}): Engine => {
    const ports = { ...defaults(port, folder.store), ...parts, clock, log: silentLog(), queue: inProcessQueue() };
    const settings = { ...DEFAULT_SNAPSHOT_SETTINGS, tool: 'test', ...parts.settings };
    return createEngine(ports, [snapshotRun(ports, settings), verifyRun(ports)], TIMES);
  };
  const finish = async (
    worker: Engine,
    id: string,
    attemptMs: number,
  ): Promise<{ run: RunRecord; attempts: number }> => {
    for (let attempts = 1; attempts <= ENOUGH_LEGS; attempts++) {
      const run = await worker.work(id, budgetUntil(clock.now() + attemptMs));
      if (isOver(run)) return { run, attempts };
    }
    throw new Error('the run does not come to its end');
  };
  const take = async (parts: Partial<Parts> = {}): Promise<Taken> => {
    clock.advance(1000);
    const worker = engine(parts);
    const started = await startSnapshot(worker, 'cli');
    if (!started.started) throw new Error(`held by ${started.holder}`);
    const { id } = started.run;
    const { run, attempts } = await finish(worker, id, parts.attemptMs ?? Infinity);
    return { id, run, attempts, manifest: (await loadManifest(folder.store, id))?.manifest ?? null };
  };

  return {
    database,
    port,
    folder,
    clock,
    engine,
    take,
    async takeWhole(parts) {
      const taken = await take(parts);
      const { run, manifest } = taken;
      if (manifest !== null && run.state === 'succeeded') return { ...taken, manifest };
      throw new Error(`the snapshot is ${run.state}: ${run.error?.message ?? ''}`);
    },
    async verify(id, parts = {}) {
      clock.advance(1000);
      const worker = engine(parts);
      const started = await startVerify(worker, id);
      if (!started.started) throw new Error(`held by ${started.holder}`);
      return (await finish(worker, started.run.id, Infinity)).run;
    },
    compare: (id) => compareSnapshot(database.url, folder.folder, id),
    async stop() {
      await server.stop();
      await database.stop();
      await folder.remove();
    },
  };
}

/** An attempt's budget; nobody interrupts it, and somebody would call again. */
export function budgetUntil(deadline: number) {
  return { deadline, lastAttempt: false, interrupt: new AbortController().signal };
}

function defaults(redis: RedisPort, store: ObjectStore): Pick<Parts, 'redis' | 'store' | 'encryptor' | 'signer'> {
  return {
    redis,
    store,
    encryptor: ageEncryptor({ recipients: [], identity: null }),
    signer: ed25519Signer({ privateKey: null, publicKey: null }),
  };
}

function steppedClock(): SteppedClock {
  let now = Date.parse('2026-11-22T02:00:00Z');
  return {
    now: () => now,
    sleep: (_ms, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
    advance: (ms) => void (now += ms),
  };
}
