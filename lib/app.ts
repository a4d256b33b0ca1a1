import { loadConfig, problemOfSection, wantsReplica, wantsTarget, type Config, type Environment } from './config.js';
import { protectedDatabase } from './connect/database.js';
import { connect, connectReplica, connectTargets, isInProcess, type Replacements } from './connect.js';
import type { ObjectStore, Ports } from './ports/index.js';
import type { ReindexPorts } from './reindex/context.js';
import { reindexRun } from './reindex/run.js';
import { startReindex } from './reindex/start.js';
import type { Afterwards, RestorePorts } from './restore/context.js';
import { DRILL_TARGET } from './restore/drill/record.js';
import { drillRun } from './restore/drill/run.js';
import type { Scope } from './restore/model.js';
import { restoreRun } from './restore/run.js';
import { announcing, type OnRunEnded } from './runs/announce.js';
import { createEngine, type Engine } from './runs/engine.js';
import { drive } from './runs/drive.js';
import type { LeaseTimes } from './runs/lease.js';
import type { Budget } from './runs/leg.js';
import type { RunDefinition, RunRecord } from './runs/model.js';
import { reindexSettings, restoreSettings, snapshotSettings } from './settings.js';
import { snapshotRun } from './snapshot/run.js';
import { verifyRun } from './snapshot/verify.js';

/** A run that the queue will pick up again keeps its lease so long: twice the wait of a leg's watch, and some. */
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
const READING_PORTS = [...ENGINE_PORTS, 'sealer', 'signer'] as const;
const ALL_PORTS = [...READING_PORTS, 'redis', 'backend'] as const;

type ReadingPort = (typeof READING_PORTS)[number];

/** The program without a database. */
export type StoreApp = App<ReadingPort>;

/** For what works on snapshots in the store alone: the database need not be there. */
export function storeApp(env: Environment, replacements: Replacements = {}): StoreApp {
  const ports = connect(env, READING_PORTS, replacements);
  return assemble(env, ports, [verifyRun(ports)]);
}

export type AllPorts = Pick<Ports, (typeof ALL_PORTS)[number]> & RestorePorts;

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
    label: protectedDatabase(env).label,
    marksElsewhere: () => secondStore(env, connected.log),
    reindex: (scope: Scope): Promise<Afterwards> => reindexLater(app, scope),
  };
  const definitions = [
    snapshotRun(ports, snapshotSettings(env)),
    verifyRun(ports),
    restoreRun(ports, restoreSettings(env, queued)),
    drillRun({ ...ports, hasScratch: wantsTarget(env, DRILL_TARGET) }, restoreSettings(env, queued)),
    ...(reindex === null ? [] : [reindexRun(reindex, reindexSettings(env, queued))]),
  ];
  const parts = assemble<(typeof ALL_PORTS)[number]>(env, ports, definitions, onEnded);
  const app: FullApp = { ...parts, ports, reindex };
  return app;
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
    const isMeant = ['UPSTASH_VECTOR_REST_URL', 'GEMINI_API_KEY'].every((name) => (env[name] ?? '') !== '');
    // What is configured wrongly must not look like what is not configured.
    if (isMeant) connected.log.error('reindex-not-configured', { code: problem.code, message: problem.message });
    return null;
  }
  return { ...connected, ...connect(env, ['vectors', 'embedder']) };
}

/** What a restore does for its vectors. Within one process it is for whoever started the restore to go on with. */
async function reindexLater(app: FullApp, scope: Scope): Promise<Afterwards> {
  if (app.reindex === null) return { state: 'not-configured', run: null };
  if (!app.queued) return { state: 'to-do', run: null };
  const input = { scope, mode: 'in-place', dryRun: false, trigger: 'restore' } as const;
  const started = await startReindex(app.engine, { input, now: app.ports.clock.now() });
  if (!started.started) return { state: 'busy', run: started.holder };
  await app.engine.enqueue(started.run.id);
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
  const legTtlMs = limits.RUN_LEASE_SECONDS * 1000;
  // Nobody comes back for a run of one process when the process is gone: then the next may start at once.
  const holdMs = isInProcess(queue) ? legTtlMs : QUEUED_HOLD_MS;
  const times = { legTtlMs, holdMs };
  const engine = announcing(createEngine(ports, definitions, times), clock, onEnded);
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
