import {
  loadConfig,
  problemOfSection,
  targetNames,
  wantsReplica,
  wantsTarget,
  type Config,
  type Environment,
} from './config.js';
import { protectedDatabase } from './connect/database.js';
import { connect, connectReplica, connectTargets, paced, type Replacements } from './connect.js';
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
import { createEngine, type Engine } from '../runs/engine.js';
import { drive, isInProcess } from './in-process.js';
import type { LeaseTimes } from '../runs/lease.js';
import type { Budget } from '../runs/attempt.js';
import type { RunDefinition, RunRecord } from '../runs/model.js';
import { commandsPerSecond, configuredIndex, reindexSettings, restoreSettings, snapshotSettings } from './settings.js';
import { snapshotRun } from '../snapshot/run.js';
import type { OtherErasures } from '../snapshot/erasures.js';
import type { MarkStores } from '../snapshot/unfinished-marks.js';
import { verifyRun } from '../snapshot/verify.js';
import type { Clock } from '../ports/clock.js';
import { isOver } from '../runs/ending.js';
import { handOver } from '../runs/hand-over.js';

/** A run that the queue will pick up again keeps its lease so long: twice the wait of an attempt's watch, and some. */
const QUEUED_HOLD_MS = 15 * 60 * 1000;
const MARGIN_SHARE = 0.2;
const MAX_MARGIN_SECONDS = 30;

/** The program as one process has it: its ports, and the engine with the kinds of run that they allow. */
export interface App<K extends keyof Ports> {
  readonly ports: Pick<Ports, K>;
  readonly engine: Engine;
  readonly limits: Config<'limits'>['limits'];
  /** Works on a run until it is over or the budget is used up, here or (what is left) over the queue. */
  work(id: string, budget: Budget): Promise<RunRecord>;
  /** Whether runs go on without this process. */
  readonly queued: boolean;
  /** Of the leases that runs hold. */
  readonly times: LeaseTimes;
}

const ENGINE_PORTS = ['clock', 'log', 'queue', 'store'] as const;
const READING_PORTS = [...ENGINE_PORTS, 'encryptor', 'signer'] as const;
const ALL_PORTS = [...READING_PORTS, 'redis', 'backend'] as const;

type ReadingPort = (typeof READING_PORTS)[number];

/** The program without a database. */
export type StoreApp = App<ReadingPort>;

/** For what works on snapshots in the store alone: the database need not be there. */
export function storeApp(env: Environment, replacements: Replacements = {}): StoreApp {
  const ports = connect(env, READING_PORTS, replacements);
  return assemble(env, ports, [verifyRun(ports)]);
}

type AllPorts = Pick<Ports, (typeof ALL_PORTS)[number]> & RestorePorts;

/** The program with the database, those to restore into and, where they are configured, index and embedder. */
export interface FullApp extends App<(typeof ALL_PORTS)[number]> {
  readonly ports: AllPorts;
  /** Null when the index or the embedder is not configured. */
  readonly reindex: ReindexPorts | null;
}

/** For everything. `onEnded` is told of runs that end within this process. */
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
    ...(replacements.words === undefined ? {} : { snapshotWords: replacements.words }),
    reindex: (scope: VectorScope): Promise<Afterwards> => reindexLater(app, scope),
  };
  const definitions = [
    snapshotRun({ ...ports, redis: paced(ports.redis, commandsPerSecond(env)) }, snapshotSettings(env)),
    verifyRun(ports),
    restoreRun(ports, restoreSettings(env, queued)),
    drillRun({ ...ports, hasScratch: wantsTarget(env, DRILL_TARGET) }, restoreSettings(env, queued)),
    ...(reindex === null ? [] : [sharedReindex(env, reindex, queued)]),
  ];
  const parts = assemble<(typeof ALL_PORTS)[number]>(env, ports, definitions, onEnded);
  const app: FullApp = { ...parts, ports, reindex };
  return app;
}

/**
 * The re-index with its share of the database. Its tasks run side by side in as many functions as the queue calls at a
 * time, which know nothing of each other: each has an equal part of the share.
 */
function sharedReindex(env: Environment, ports: ReindexPorts, queued: boolean): RunDefinition {
  const settings = reindexSettings(env, queued);
  const most = commandsPerSecond(env);
  const within = (bound: number): RunDefinition => reindexRun({ ...ports, redis: paced(ports.redis, bound) }, settings);
  const alone = within(most);
  if (!queued) return alone;
  const beside = within(most / settings.parallelism);
  const phases = Object.entries(alone.phases).map(([name, phase]): [string, typeof phase] => [
    name,
    phase.type === 'tasks' ? (beside.phases[name] ?? phase) : phase,
  ]);
  return { ...alone, phases: Object.fromEntries(phases) };
}

type OtherStores = Omit<MarkStores, 'store'> & Pick<RestorePorts, 'otherErasures'>;

/** The program that can end runs: with the database at hand the locks that a run holds in it are freed as well. */
export function endingApp(env: Environment, replacements: Replacements = {}): StoreApp {
  return problemOfSection(env, 'redis') === null ? fullApp(env, replacements) : storeApp(env, replacements);
}

/** Where a restore marks the database, and reads whose data are erased, besides the store that it works on. */
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
  return { marksElsewhere: () => firstOrNull(first), firstStore: first, onNotMarked, otherErasures };
}

/** The erasure list of the second store, for work on the first. */
export function secondErasures(env: Environment, log: Ports['log'], onUnread: (why: string) => void): OtherErasures {
  return { store: () => secondStore(env, log), isFirst: false, onUnread };
}

/** The other store that may hold marks, for who works on the first store or, with `replica`, on the second. */
export function marksBeside(env: Environment, log: Ports['log'], replica = false): () => ObjectStore | null {
  return () => (replica ? firstOrNull(() => connect(env, ['store'], { log }).store) : secondStore(env, log));
}

function firstOrNull(first: () => ObjectStore): ObjectStore | null {
  try {
    return first();
  } catch {
    return null;
  }
}

/** Null where there is none, or none that can be used: `doctor` tells of that. */
function secondStore(env: Environment, log: Ports['log']): ObjectStore | null {
  try {
    return wantsReplica(env) ? connectReplica(env, log) : null;
  } catch {
    return null;
  }
}

/** The same, for what cannot do without index and embedder. Throws `config` with everything that is missing. */
export function indexApp(env: Environment, replacements: Replacements = {}): FullApp & { reindex: ReindexPorts } {
  loadConfig(env, ['redis', 'store', 'vector', 'embedder']);
  const app = fullApp(env, replacements);
  if (app.reindex === null) throw new TypeError('index and embedder are configured, but not connected');
  return { ...app, reindex: app.reindex };
}

function connectReindex(env: Environment, connected: Pick<Ports, (typeof ALL_PORTS)[number]>): ReindexPorts | null {
  const problem = problemOfSection(env, 'vector') ?? problemOfSection(env, 'embedder');
  if (problem !== null) {
    const isSet = (name: string): boolean => (env[name] ?? '') !== '';
    const isMeant = isSet('UPSTASH_VECTOR_REST_URL') && EMBEDDER_KEYS.some(isSet);
    // What is configured wrongly must not look like what is not configured.
    if (isMeant) connected.log.error('reindex-not-configured', { code: problem.code, message: problem.message });
    return null;
  }
  const recipe = configuredIndex(env)?.recipe;
  if (recipe === undefined) return null;
  return { ...connected, ...connect(env, ['vectors', 'embedder']), recipe, elsewhere: connectElsewhere(env) };
}

/** What a restore does for its vectors. Within one process it is for whoever started the restore to go on with. */
async function reindexLater(app: FullApp, scope: VectorScope): Promise<Afterwards> {
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

/** How long a function may work: its limit less a margin, a fifth of it or 30 seconds, to save and hand over. */
export function functionDeadline(now: number, limitSeconds: number): number {
  return now + (limitSeconds - Math.min(limitSeconds * MARGIN_SHARE, MAX_MARGIN_SECONDS)) * 1000;
}

function assemble<K extends keyof Ports>(
  env: Environment,
  ports: Pick<Ports, K | ReadingPort>,
  definitions: readonly RunDefinition[],
  onEnded: OnRunEnded = () => Promise.resolve(),
): App<K | ReadingPort> {
  const { limits } = loadConfig(env, ['limits']);
  const { clock, queue } = ports;
  const attemptTtlMs = limits.RUN_LEASE_SECONDS * 1000;
  // Nobody comes back for a run of one process when the process is gone: then the next may start at once.
  const holdMs = isInProcess(queue) ? attemptTtlMs : QUEUED_HOLD_MS;
  const times = { attemptTtlMs, holdMs };
  const engine = announcing(createEngine(ports, definitions, times, protectedDatabase(env).source), clock, onEnded);
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

/** Told of a run that has just ended. Throws nothing. */
type OnRunEnded = (run: RunRecord) => Promise<void>;

/**
 * An engine that tells of each run that ends under its hands. Two processes that see the same end may both tell of it;
 * a process that dies in between tells of none.
 */
export function announcing(engine: Engine, clock: Clock, onEnded: OnRunEnded): Engine {
  const telling = async (work: () => Promise<RunRecord>): Promise<RunRecord> => {
    const from = clock.now();
    const run = await work();
    if (isOver(run) && Date.parse(run.finishedAt ?? '') >= from) await onEnded(run);
    return run;
  };
  return {
    ...engine,
    work: (id, budget) => telling(() => engine.work(id, budget)),
    end: (id, error) => telling(() => engine.end(id, error)),
    deliver: (body, budget) => telling(() => engine.deliver(body, budget)),
  };
}
