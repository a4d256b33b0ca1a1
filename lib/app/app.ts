import {
  isSet,
  loadConfig,
  problemOfSection,
  targetNames,
  wantsReplica,
  wantsTarget,
  type Config,
  type Environment,
} from './config.js';
import { protectedDatabase } from './connect/database.js';
import { connect, connectTargets, paceRedis, type Replacements } from './connect.js';
import { connectReplica } from './connect/stores.js';
import { connectElsewhere } from './connect/indexes.js';
import type { ObjectStore, Ports } from '../ports/index.js';
import type { ReindexPorts } from '../reindex/context.js';
import { reindexInputSchema } from '../reindex/model.js';
import { reindexRun } from '../reindex/run.js';
import { startReindex } from '../reindex/start.js';
import type { Afterwards, RestorePorts } from '../restore/context.js';
import type { VectorScope } from '../restore/model.js';
import { DRILL_TARGET } from '../restore/drill/record.js';
import { drillRun } from '../restore/drill/run.js';
import { restoreRun } from '../restore/run.js';
import { EMBEDDER_KEYS } from '../services/embedders.js';
import { createEngine, type Engine, handOver } from '../runs/engine.js';
import { drive, isInProcess } from './in-process.js';
import type { LeaseTimes } from '../runs/lease.js';
import type { Budget } from '../runs/attempt.js';
import { type RunDefinition, type RunRecord, isOver } from '../runs/model.js';
import { commandsPerSecond, configuredIndex, reindexSettings, restoreSettings, snapshotSettings } from './settings.js';
import { snapshotRun } from '../snapshot/run.js';
import type { OtherErasures } from '../snapshot/erasures.js';
import type { MarkStores } from '../snapshot/unfinished-marks.js';
import { verifyRun } from '../snapshot/verify.js';
import type { Clock } from '../ports/clock.js';

/** How long a run keeps its lease until the queue delivers again: twice the delay of an attempt's own delayed message, plus a margin. */
const QUEUED_HOLD_MS = 15 * 60 * 1000;
const MARGIN_SHARE = 0.2;
const MAX_MARGIN_SECONDS = 30;

/** The program within one process: its ports, and the engine with the run kinds that these ports allow. */
export interface App<K extends keyof Ports> {
  readonly ports: Pick<Ports, K>;
  readonly engine: Engine;
  readonly limits: Config<'limits'>['limits'];
  /** Works on a run until it is over or the budget is used up; the queue carries the rest, if there is one. */
  work(id: string, budget: Budget): Promise<RunRecord>;
  /** Whether runs continue without this process. */
  readonly queued: boolean;
  /** Durations of the leases that runs hold. */
  readonly times: LeaseTimes;
}

const ENGINE_PORTS = ['clock', 'log', 'queue', 'store'] as const;
const READING_PORTS = [...ENGINE_PORTS, 'encryptor', 'signer'] as const;
const ALL_PORTS = [...READING_PORTS, 'redis', 'backend'] as const;

type ReadingPort = (typeof READING_PORTS)[number];

/** The program without a database. */
export type StoreApp = App<ReadingPort>;

/** For commands that only need the snapshots in the store: the database may be unreachable. */
export function storeApp(env: Environment, replacements: Replacements = {}): StoreApp {
  const ports = connect(env, READING_PORTS, replacements);
  return assembleApp(env, ports, [verifyRun(ports)]);
}

type AllPorts = Pick<Ports, (typeof ALL_PORTS)[number]> & RestorePorts;

/** The program with the database, the restore targets and, if configured, index and embedder. */
export interface FullApp extends App<(typeof ALL_PORTS)[number]> {
  readonly ports: AllPorts;
  /** Null when the index or the embedder is not configured. */
  readonly reindex: ReindexPorts | null;
}

/** The whole program. `onEnded` is called for runs that end within this process. */
export function fullApp(
  env: Environment,
  replacements: Replacements = {},
  onEnded: OnRunEnded = () => Promise.resolve(),
): FullApp {
  const connected = connect(env, ALL_PORTS, replacements);
  const queued = !isInProcess(connected.queue);
  const reindex = connectReindex(env, connected);
  const ports = {
    ...connected,
    redisOf: connectTargets(env, connected.redis),
    targetNames: () => [...(wantsTarget(env, DRILL_TARGET) ? [DRILL_TARGET] : []), ...targetNames(env)],
    label: protectedDatabase(env).label,
    ...otherStores(env, replacements, connected.log),
    ...(replacements.snapshotWords === undefined ? {} : { snapshotWords: replacements.snapshotWords }),
    reindex: (scope: VectorScope): Promise<Afterwards> => startReindexAfterRestore(app, scope),
  };
  const definitions = [
    snapshotRun({ ...ports, redis: paceRedis(ports.redis, commandsPerSecond(env)) }, snapshotSettings(env)),
    verifyRun(ports),
    restoreRun(ports, restoreSettings(env, queued)),
    drillRun({ ...ports, hasScratch: wantsTarget(env, DRILL_TARGET) }, restoreSettings(env, queued)),
    ...(reindex === null ? [] : [pacedReindexRun(env, reindex, queued)]),
  ];
  const parts = assembleApp<(typeof ALL_PORTS)[number]>(env, ports, definitions, onEnded);
  const app: FullApp = { ...parts, ports, reindex };
  return app;
}

/**
 * The re-index, limited to BACKUP_COMMANDS_PER_SECOND. The queue runs its tasks in several functions at a time, which cannot
 * coordinate: each gets an equal part of the limit.
 */
function pacedReindexRun(env: Environment, ports: ReindexPorts, queued: boolean): RunDefinition {
  const settings = reindexSettings(env, queued);
  const limit = commandsPerSecond(env);
  const limitedTo = (commands: number): RunDefinition =>
    reindexRun({ ...ports, redis: paceRedis(ports.redis, commands) }, settings);
  const single = limitedTo(limit);
  if (!queued) return single;
  const parallel = limitedTo(limit / settings.parallelism);
  const phases = Object.entries(single.phases).map(([name, phase]): [string, typeof phase] => [
    name,
    phase.type === 'tasks' ? (parallel.phases[name] ?? phase) : phase,
  ]);
  return { ...single, phases: Object.fromEntries(phases) };
}

type OtherStores = Omit<MarkStores, 'store'> & Pick<RestorePorts, 'otherErasures'>;

/** For ending runs. If the database is configured, the locks that a run holds in it are released as well. */
export function runEndingApp(env: Environment, replacements: Replacements = {}): StoreApp {
  return problemOfSection(env, 'redis') === null ? fullApp(env, replacements) : storeApp(env, replacements);
}

/** The other store: a restore marks the database as unfinished there too, and reads its erasure list. */
function otherStores(env: Environment, { firstStore, inMemory }: Replacements, log: Ports['log']): OtherStores {
  if (firstStore === undefined) {
    const onUnread = (why: string): void => log.warn('erasure-list-of-second-store-not-read', { why });
    const otherErasures = secondErasures(env, log, onUnread);
    return { marksElsewhere: otherErasures.store, otherErasures };
  }
  const { env: firstEnv, onErasuresUnread, onNotMarked } = firstStore;
  const first = (): ObjectStore => connect(firstEnv, ['store'], { log }).store;
  const otherErasures = { store: first, isFirst: true, onUnread: onErasuresUnread };
  if (inMemory === true) return { otherErasures };
  return { marksElsewhere: () => orNull(first), firstStore: first, onNotMarked, otherErasures };
}

/** The erasure list of the second store, for work on the first. */
export function secondErasures(env: Environment, log: Ports['log'], onUnread: (why: string) => void): OtherErasures {
  return { store: () => secondStoreOrNull(env, log), isFirst: false, onUnread };
}

/** The erasure list of the store that work does not use: the second or, with `replica`, the first. */
export function otherErasures(
  env: Environment,
  log: Ports['log'],
  replica: boolean,
  onUnread: (why: string) => void,
): OtherErasures {
  if (!replica) return secondErasures(env, log, onUnread);
  return { store: () => connect(env, ['store'], { log }).store, isFirst: true, onUnread };
}

/** The store that may hold further marks: the second store or, with `replica`, the first. */
export function otherMarkStore(env: Environment, log: Ports['log'], replica = false): () => ObjectStore | null {
  return () => (replica ? orNull(() => connect(env, ['store'], { log }).store) : secondStoreOrNull(env, log));
}

/** Null if there is no such store or it is not usable, which `doctor` reports. */
function orNull(open: () => ObjectStore | null): ObjectStore | null {
  try {
    return open();
  } catch {
    return null;
  }
}

function secondStoreOrNull(env: Environment, log: Ports['log']): ObjectStore | null {
  return orNull(() => (wantsReplica(env) ? connectReplica(env, log) : null));
}

/** The whole program, for commands that require index and embedder. Throws `config` naming everything that is missing. */
export function indexApp(env: Environment, replacements: Replacements = {}): FullApp & { reindex: ReindexPorts } {
  loadConfig(env, ['redis', 'store', 'vector', 'embedder']);
  const app = fullApp(env, replacements);
  if (app.reindex === null) throw new TypeError('index and embedder are configured, but not connected');
  return { ...app, reindex: app.reindex };
}

function connectReindex(env: Environment, connected: Pick<Ports, (typeof ALL_PORTS)[number]>): ReindexPorts | null {
  const problem = problemOfSection(env, 'vector') ?? problemOfSection(env, 'embedder');
  if (problem !== null) {
    const isIntended = isSet(env, 'UPSTASH_VECTOR_REST_URL') && EMBEDDER_KEYS.some((key) => isSet(env, key));
    // A wrong configuration must not look like a missing one.
    if (isIntended) connected.log.error('reindex-not-configured', { code: problem.code, message: problem.message });
    return null;
  }
  const recipe = configuredIndex(env)?.recipe;
  if (recipe === undefined) return null;
  return { ...connected, ...connect(env, ['vectors', 'embedder']), recipe, elsewhere: connectElsewhere(env) };
}

/** Starts the re-index after a restore. Without a queue, the command that started the restore continues with it. */
async function startReindexAfterRestore(app: FullApp, scope: VectorScope): Promise<Afterwards> {
  if (app.reindex === null) return { state: 'not-configured', run: null };
  if (!app.queued) return { state: 'to-do', run: null };
  const input = reindexInputSchema.parse({
    scope,
    mode: 'in-place',
    dryRun: false,
    trigger: 'restore',
    recipe: app.reindex.recipe,
  });
  const started = await startReindex(app.engine, { input, now: app.ports.clock.now() });
  if (!started.started) return { state: 'busy', run: started.holder };
  await handOver(app.engine, started.run.id);
  return { state: 'started', run: started.run.id };
}

/** When a function must stop working: its limit less a margin to save and hand over, a fifth of it or at most 30 seconds. */
export function functionDeadline(now: number, limitSeconds: number): number {
  return now + (limitSeconds - Math.min(limitSeconds * MARGIN_SHARE, MAX_MARGIN_SECONDS)) * 1000;
}

function assembleApp<K extends keyof Ports>(
  env: Environment,
  ports: Pick<Ports, K | ReadingPort>,
  definitions: readonly RunDefinition[],
  onEnded: OnRunEnded = () => Promise.resolve(),
): App<K | ReadingPort> {
  const { limits } = loadConfig(env, ['limits']);
  const { clock, queue } = ports;
  const attemptTtlMs = limits.RUN_LEASE_SECONDS * 1000;
  // Without a queue a run does not outlive its process: once it is gone, the next run may start immediately.
  const holdMs = isInProcess(queue) ? attemptTtlMs : QUEUED_HOLD_MS;
  const times = { attemptTtlMs, holdMs };
  const engine = notifyingEngine(
    createEngine(ports, definitions, times, protectedDatabase(env).source),
    clock,
    onEnded,
  );
  return {
    ports,
    engine,
    limits,
    queued: !isInProcess(queue),
    times,
    work: (id, budget) =>
      isInProcess(queue) ? drive(engine, clock, () => queue.take(), id, budget) : engine.work(id, budget),
  };
}

/** Called when a run has just ended. Throws nothing. */
type OnRunEnded = (run: RunRecord) => Promise<void>;

/**
 * An engine that calls `onEnded` for every run that ends during its work. Two processes that observe the same end may both call
 * it; a process that dies in between does not.
 */
export function notifyingEngine(engine: Engine, clock: Clock, onEnded: OnRunEnded): Engine {
  const notifyAfter = async (work: () => Promise<RunRecord>): Promise<RunRecord> => {
    const from = clock.now();
    const run = await work();
    if (isOver(run) && Date.parse(run.finishedAt ?? '') >= from) await onEnded(run);
    return run;
  };
  return {
    ...engine,
    work: (id, budget) => notifyAfter(() => engine.work(id, budget)),
    end: (id, error) => notifyAfter(() => engine.end(id, error)),
    deliver: (body, budget) => notifyAfter(() => engine.deliver(body, budget)),
  };
}
