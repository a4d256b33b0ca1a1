import { TOOL } from './version.js';
import { loadConfig, type Config, type Environment } from './config.js';
import { connect, connectTargets, isInProcess, type Replacements } from './connect.js';
import type { Ports } from './ports/index.js';
import type { RestorePorts, RestoreSettings } from './restore/context.js';
import { restoreRun } from './restore/run.js';
import { createEngine, type Engine } from './runs/engine.js';
import { drive } from './runs/drive.js';
import type { Budget } from './runs/leg.js';
import type { RunDefinition, RunRecord } from './runs/model.js';
import { DEFAULT_SNAPSHOT_SETTINGS, type SnapshotSettings } from './snapshot/settings.js';
import { snapshotRun } from './snapshot/run.js';
import { verifyRun } from './snapshot/verify.js';

const MIB = 1024 * 1024;
/** Parts of a restore that one process works on at a time; each is in memory while it is. */
const TASKS_IN_PROCESS = 2;
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
}

const ENGINE_PORTS = ['clock', 'log', 'queue', 'store'] as const;
const READING_PORTS = [...ENGINE_PORTS, 'sealer', 'signer'] as const;
const ALL_PORTS = [...READING_PORTS, 'redis', 'backend'] as const;

type ReadingPort = (typeof READING_PORTS)[number];

/** For what works on snapshots in the store alone: the database need not be there. */
export function storeApp(env: Environment, replacements: Replacements = {}): App<ReadingPort> {
  const ports = connect(env, READING_PORTS, replacements);
  return assemble(env, ports, [verifyRun(ports)]);
}

export type AllPorts = Pick<Ports, (typeof ALL_PORTS)[number]> & RestorePorts;

/** The program with the database, and those to restore into. */
export interface FullApp extends App<(typeof ALL_PORTS)[number]> {
  readonly ports: AllPorts;
}

/** For everything. */
export function fullApp(env: Environment, replacements: Replacements = {}): FullApp {
  const connected = connect(env, ALL_PORTS, replacements);
  const ports = { ...connected, redisOf: connectTargets(env, connected.redis) };
  const settings = snapshotSettings(env);
  const definitions = [
    snapshotRun(ports, settings),
    verifyRun(ports),
    restoreRun(ports, restoreSettings(env, settings, !isInProcess(ports.queue))),
  ];
  return { ...assemble<(typeof ALL_PORTS)[number]>(env, ports, definitions), ports };
}

/** How long a function may work: its limit less a margin, a fifth of it or 30 seconds, to save and hand over. */
export function functionDeadline(now: number, limitSeconds: number): number {
  return now + (limitSeconds - Math.min(limitSeconds * MARGIN_SHARE, MAX_MARGIN_SECONDS)) * 1000;
}

function assemble<K extends keyof Ports>(
  env: Environment,
  ports: Pick<Ports, K | ReadingPort>,
  definitions: readonly RunDefinition[],
): App<K | ReadingPort> {
  const { limits } = loadConfig(env, ['limits']);
  const { clock, queue } = ports;
  const legTtlMs = limits.RUN_LEASE_SECONDS * 1000;
  // Nobody comes back for a run of one process when the process is gone: then the next may start at once.
  const holdMs = isInProcess(queue) ? legTtlMs : QUEUED_HOLD_MS;
  const engine = createEngine(ports, definitions, { legTtlMs, holdMs });
  return {
    ports,
    engine,
    limits,
    queued: !isInProcess(queue),
    work: (id, budget) =>
      isInProcess(queue) ? drive(engine, clock, () => queue.take(), id, budget) : engine.work(id, budget),
  };
}

function restoreSettings(env: Environment, snapshot: SnapshotSettings, queued: boolean): RestoreSettings {
  const { limits } = loadConfig(env, ['limits']);
  return {
    inFlight: limits.BACKUP_REQUESTS_IN_FLIGHT,
    // Over a queue other instances do the work, and side by side.
    inline: queued ? 0 : TASKS_IN_PROCESS,
    parallelism: limits.RESTORE_TASKS_AT_A_TIME,
    safety: { ...snapshot, purpose: 'safety' },
  };
}

function snapshotSettings(env: Environment): SnapshotSettings {
  const { limits } = loadConfig(env, ['limits']);
  return {
    ...DEFAULT_SNAPSHOT_SETTINGS,
    inFlight: limits.BACKUP_REQUESTS_IN_FLIGHT,
    partBytes: limits.BACKUP_PART_MIB * MIB,
    fieldExpiry: limits.BACKUP_FIELD_EXPIRY,
    tool: TOOL,
  };
}
