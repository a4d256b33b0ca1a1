import { ageEncryptor } from '../../lib/crypto/age.js';
import { systemClock } from '../../lib/services/clock.js';
import { ed25519Signer } from '../../lib/crypto/ed25519.js';
import { inProcessQueue, drive, silentLog } from '../../lib/app/in-process.js';
import { soulcasterBackend } from '../../lib/services/soulcaster-backend.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { AppError } from '../../lib/errors.js';
import type { Backend, ObjectStore, RedisPort, Encryptor, Signer } from '../../lib/ports/index.js';
import type { RestorePorts } from '../../lib/restore/context.js';
import { DRILL_TARGET } from '../../lib/restore/drill/record.js';
import { drillRun } from '../../lib/restore/drill/run.js';
import { restoreRun } from '../../lib/restore/run.js';
import { prepareRestore, startRestore, type RestoreRequest } from '../../lib/restore/start.js';
import { createEngine, type Engine, type Started } from '../../lib/runs/engine.js';
import { type RunRecord, isOver } from '../../lib/runs/model.js';
import type { OtherErasures } from '../../lib/snapshot/erasures.js';
import { loadManifest, type Manifest } from '../../lib/snapshot/manifest.js';
import { snapshotRun, startSnapshot } from '../../lib/snapshot/run.js';
import { DEFAULT_SNAPSHOT_SETTINGS, type SnapshotSettings } from '../../lib/snapshot/settings.js';
import { startVerify, verifyRun } from '../../lib/snapshot/verify.js';
import { compareSnapshot, type Comparison } from './compare.js';
import { dumpOf, type Dump } from './dumps.js';
import { folderStore, type FolderStore } from './folder-store.js';
import { budgetUntil, TIMES, type SteppedClock } from './snapshot-bench.js';
import { startTestDatabase, type TestDatabase } from './test-database.js';

/** So late that Redis, which goes by the machine's clock, keeps every key that a test lets expire by the bench's. */
export const NOW = Date.parse('2090-01-01T00:00:00Z');

/** What a run may be given in place of what the bench has. */
export interface RestoreParts {
  readonly redis: RedisPort;
  readonly store: ObjectStore;
  readonly encryptor: Encryptor;
  readonly signer: Signer;
  readonly backend: Backend;
  /** The first store, where `store` is the second. */
  readonly firstStore: () => ObjectStore;
  readonly snapshotWords: string;
  readonly onNotMarked: (why: string) => void;
  readonly marksElsewhere: () => ObjectStore | null;
  readonly otherErasures: OtherErasures;
  readonly targets: Readonly<Record<string, RedisPort>>;
  /** Of snapshots, the safety snapshot among them. */
  readonly settings: Partial<SnapshotSettings>;
  /** Tasks that an attempt works on itself; 0 sends all over the queue. */
  readonly inline: number;
  /** Tells the work to stop. */
  readonly interrupt: AbortSignal;
  /** When the time of every attempt is up; without it never. */
  readonly deadline: number;
}

export type Ask = Partial<RestoreRequest>;

/** A real database behind the stand-in, a folder store, and what is needed to bring the one back from the other. */
export interface RestoreBench {
  readonly database: TestDatabase;
  readonly port: RedisPort;
  readonly folder: FolderStore;
  readonly clock: SteppedClock;
  engine(parts?: Partial<RestoreParts>): Engine;
  /** Takes a whole snapshot, a second later than what was before. */
  snapshot(parts?: Partial<RestoreParts>): Promise<Manifest>;
  verify(id: string, parts?: Partial<RestoreParts>): Promise<RunRecord>;
  /** Starts a restore of everything, unless the request says otherwise, and does not work on it. */
  start(snapshot: string, ask?: Ask, parts?: Partial<RestoreParts>): Promise<Started>;
  /** The same, worked on to its end. */
  restore(snapshot: string, ask?: Ask, parts?: Partial<RestoreParts>): Promise<RunRecord>;
  work(id: string, parts?: Partial<RestoreParts>): Promise<RunRecord>;
  /** What stands in the database, read over TCP. */
  dump(): Promise<Dump>;
  compare(snapshot: string): Promise<Comparison>;
  /** Commands that may change data which the database was sent over REST. */
  writes(): number;
  /** All commands that it was sent over REST, but for those of snapshots. */
  commands(): number;
  stop(): Promise<void>;
}

const noReindex = () => Promise.resolve({ state: 'not-configured', run: null } as const);

interface BenchLimits {
  /** The limit under which snapshots are taken: what is above it is read in pages. */
  readonly snapshotReplyBytes?: number;
  /** The limit of requests and replies of everything else. */
  readonly requestLimitBytes?: number;
  /** The server's program, that of a TestEngine. */
  readonly program?: string;
}

export async function openRestoreBench(limits: BenchLimits = {}): Promise<RestoreBench> {
  const database = await startTestDatabase(limits.program);
  const { snapshotReplyBytes: requestLimitBytes = 10 * 1024 * 1024 } = limits;
  const whole = limits.requestLimitBytes === undefined ? {} : { requestLimitBytes: limits.requestLimitBytes };
  const server = await startUpstashRedis({ redisUrl: database.url, token: 'test', ...whole });
  const tight = await startUpstashRedis({ redisUrl: database.url, token: 'test', requestLimitBytes });
  const clock = steppedClock();
  const [port, ownTight] = [server, tight].map(({ url }) =>
    atTimeOf(clock, upstashRedis({ url, token: 'test', clock: systemClock() })),
  );
  if (port === undefined || ownTight === undefined) throw new Error('no port');
  // One database: a snapshot that is taken through the other server is not of another source.
  const tightPort: RedisPort = { ...ownTight, host: port.host };
  const folder = await folderStore(clock);

  const open = (parts: Partial<RestoreParts> = {}) => {
    const queue = inProcessQueue();
    const redis = parts.redis ?? port;
    const redisOf = (target: string | null): RedisPort => (target === null ? redis : targetOf(parts, target));
    const targetNames = (): string[] => Object.keys(parts.targets ?? {});
    const own = { reindex: noReindex, redis, redisOf, targetNames, clock, log: silentLog(), queue };
    const ports = { ...defaults(folder.store), ...parts, ...own };
    const safety = { ...DEFAULT_SNAPSHOT_SETTINGS, tool: 'test', ...parts.settings };
    const settings = { inFlight: 3, inline: parts.inline ?? 2, parallelism: 4 };
    const definitions = [
      snapshotRun(ports, safety),
      verifyRun(ports),
      restoreRun(ports, { ...settings, safety: { ...safety, purpose: 'safety' } }),
      drillRun({ ...ports, hasScratch: parts.targets?.[DRILL_TARGET] !== undefined }, { ...settings, safety }),
    ];
    return { ports: ports satisfies RestorePorts, queue, engine: createEngine(ports, definitions, TIMES) };
  };
  const work = async (id: string, parts: Partial<RestoreParts> = {}): Promise<RunRecord> => {
    const { engine, queue } = open(parts);
    const whole = budgetUntil(parts.deadline ?? Infinity);
    const attempt = (): Promise<RunRecord> =>
      drive(engine, clock, () => queue.take(), id, { ...whole, interrupt: parts.interrupt ?? whole.interrupt });
    let run = await attempt();
    while (parts.deadline !== undefined && !isOver(run)) run = await attempt();
    return run;
  };
  const finish = (started: Started, parts: Partial<RestoreParts>): Promise<RunRecord> => {
    if (!started.started) throw new Error(`held by ${started.holder}`);
    return work(started.run.id, parts);
  };
  const start = async (snapshot: string, ask: Ask = {}, parts: Partial<RestoreParts> = {}): Promise<Started> => {
    clock.advance(1000);
    const { engine, ports } = open(parts);
    return startRestore(engine, await prepareRestore(ports, { ...everything(snapshot), ...ask }));
  };

  return {
    database,
    port,
    folder,
    clock,
    engine: (parts) => open(parts).engine,
    async snapshot(parts = {}) {
      clock.advance(1000);
      const tightParts = { redis: tightPort, ...parts };
      const run = await finish(await startSnapshot(open(tightParts).engine, 'cli'), tightParts);
      const manifest = (await loadManifest(folder.store, run.id))?.manifest;
      if (manifest !== undefined && run.state === 'succeeded') return manifest;
      throw new Error(`the snapshot is ${run.state}: ${run.error?.message ?? ''}`);
    },
    async verify(id, parts = {}) {
      clock.advance(1000);
      return finish(await startVerify(open(parts).engine, id), parts);
    },
    start,
    restore: async (snapshot, ask = {}, parts = {}) => finish(await start(snapshot, ask, parts), parts),
    work,
    dump: () => dumpOf(database.url),
    compare: (snapshot) => compareSnapshot(database.url, folder.folder, snapshot),
    writes: () => server.writeCommandCount(),
    commands: () => server.commandCount(),
    async stop() {
      await Promise.all([server.stop(), tight.stop()]);
      await database.stop();
      await folder.remove();
    },
  };
}

function everything(snapshot: string): RestoreRequest {
  return {
    snapshot,
    at: null,
    scope: { all: true },
    mode: 'replace',
    expiry: 'keep',
    dryRun: false,
    target: null,
    safety: true,
    settle: false,
    confirm: snapshot,
    allowIncomplete: false,
    trigger: 'cli',
  };
}

function targetOf({ targets }: Partial<RestoreParts>, name: string): RedisPort {
  const found = targets?.[name];
  if (found !== undefined) return found;
  throw new AppError('usage', `There is no target ${name}`, { hint: 'Name one of those that are set.' });
}

function defaults(store: ObjectStore): Pick<RestorePorts, 'store' | 'encryptor' | 'signer' | 'backend'> {
  return {
    store,
    encryptor: ageEncryptor({ recipients: [], identity: null }),
    signer: ed25519Signer({ privateKey: null, publicKey: null }),
    backend: soulcasterBackend({ url: null, clock: systemClock() }),
  };
}

function steppedClock(): SteppedClock {
  let now = NOW;
  return {
    now: () => now,
    sleep: (_ms, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
    advance: (ms) => void (now += ms),
  };
}

/** A database whose clock agrees with the bench's: the machine's is decades behind. */
export function atTimeOf(clock: Pick<SteppedClock, 'now'>, redis: RedisPort): RedisPort {
  return {
    ...redis,
    async pipeline(commands) {
      if (commands[0]?.[0] !== 'TIME') return redis.pipeline(commands);
      const now = clock.now();
      return [
        { value: [String(Math.floor(now / 1000)), String((now % 1000) * 1000)].map((part) => Buffer.from(part)) },
      ];
    },
  };
}

/** A database that does not answer: what another one is restored for. */
export function unreachable(port: RedisPort): RedisPort {
  const refuse = () => Promise.reject(new AppError('redis-unavailable', 'The database is down', { hint: 'Wait.' }));
  return { ...port, host: port.host, pipeline: refuse, transaction: refuse };
}
