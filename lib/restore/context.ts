import { isUtf8 } from 'node:buffer';
import { absentKey, runOne } from '../redis/run-one.js';
import { deniedFieldExpiry, saysDenied } from '../snapshot/read/field-expiry.js';
import { AppError } from '../errors.js';
import type { Backend, Log } from '../ports/index.js';
import type { RunRecord } from '../runs/model.js';
import { loadBoundManifest } from '../snapshot/statements.js';
import type { OtherErasures } from '../snapshot/erasures.js';
import type { Manifest } from '../snapshot/manifest.js';
import type { SnapshotSettings } from '../snapshot/settings.js';
import type { RedisPort, RedisReply, SentCommand } from '../ports/redis.js';
import { stopIfAborted } from './compare/read-live.js';
import type { CompareOptions } from './compare/index.js';
import { inputOf, parseRestoreCheckpoint, type RestoreCheckpoint } from './checkpoint.js';
import { erasedKeys, type ErasedKeys } from './erased.js';
import type { RestoreInput, VectorScope, ExpiryRule } from './model.js';
import { scopeMatcher, type ScopeFacts, type ScopeMatcher } from './scope.js';
import { clockOf } from './target.js';
import type { StartPorts } from './start.js';
import { asFacts } from './facts.js';

export interface RestorePorts extends StartPorts {
  readonly log: Log;
  readonly backend: Backend;
  /** Absent when there is only one store. */
  readonly otherErasures?: OtherErasures;
  /** Starts the rebuild of the vectors of the restored data. */
  readonly reindex: (scope: VectorScope) => Promise<Afterwards>;
}

/**
 * What happens to the vectors: a run was `started`; another run is active (`busy`); the caller of the restore has to
 * rebuild them (`to-do`); there is no index (`not-configured`); the run `failed` to start; or none was requested
 * (`skipped`).
 */
export type Afterwards = {
  readonly state: 'started' | 'busy' | 'to-do' | 'not-configured' | 'failed' | 'skipped';
  readonly run: string | null;
};

export interface RestoreSettings {
  /** Concurrent requests to Redis in one task. */
  readonly inFlight: number;
  /** How many tasks one attempt runs concurrently itself; 0 sends all to the queue. */
  readonly inline: number;
  /** How many tasks the queue may deliver concurrently. */
  readonly parallelism: number;
  /** Settings of the safety snapshot. */
  readonly safety: SnapshotSettings;
}

/** All times in milliseconds since the epoch. */
export interface ExpiryPlan {
  readonly rule: ExpiryRule;
  /** What rule `shift` adds: the time from the end of the snapshot to the start of the restore. */
  readonly shiftMs: number;
  /** Data that expired by now are not restored; with rule `drop` nothing expires. */
  readonly now: number;
  /** Whether expired fields stay in the record: the comparison excuses them one by one. Default false. */
  readonly keepsOver?: boolean;
}

/** What every step and task of a restore needs. */
export interface RestoreContext {
  readonly input: RestoreInput;
  readonly state: RestoreCheckpoint;
  readonly manifest: Manifest;
  /** The target; its usage counts the commands of this context only. */
  readonly redis: RedisPort;
  /** The target's clock, in milliseconds since the epoch: it decides what has expired. */
  readonly now: () => number;
  /** Ids that the snapshot ties to the scope. */
  readonly facts: ScopeFacts;
  /** Whether a key belongs to the scope, by the facts in the snapshot. */
  readonly belongs: ScopeMatcher;
  /** Keys of the scope that are left out because they were erased. */
  readonly erased: ErasedKeys;
  readonly expiry: ExpiryPlan;
}

/** Opens the context of an attempt or a task; its `redis` sends nothing once `signal` is aborted. */
export async function openContext(ports: RestorePorts, run: RunRecord, signal: AbortSignal): Promise<RestoreContext> {
  const input = inputOf(run);
  const state = parseRestoreCheckpoint(run.checkpoint);
  const loaded = await loadBoundManifest(ports, input.snapshot, state.manifestSha256);
  if (loaded === null) throw snapshotGoneError(input);
  const facts = asFacts(input.scope, state.facts);
  const target = ports.redisOf(input.target);
  const now = await clockOf(target, ports.clock);
  return {
    input,
    state,
    manifest: loaded.manifest,
    redis: meterRedis(target, signal),
    now,
    facts,
    belongs: scopeMatcher(input.scope, facts),
    erased: erasedKeys(state.erased),
    expiry: { rule: input.expiry, shiftMs: state.shiftMs, now: now() },
  };
}

/** A file's snapshot is in no store and ends with its process. Such a restore always has `fromSource`. */
function snapshotGoneError({ fromSource, snapshot }: RestoreInput): AppError {
  const removed =
    'see `npx soulcaster-backup snapshots list --env-file .env`, and find out what removes objects from the store';
  return new AppError('not-found', `Snapshot ${snapshot}, which this restore began with, is no longer in the store`, {
    hint: fromSource
      ? `If it was read from a file (\`restore FILE\`), the process that held it has ended: start the same command again. If it was in the store: ${removed}.`
      : `It was there when the restore began: ${removed}.`,
  });
}

/** What was spent since `before`, as stored in records. */
export function spentSince(redis: RedisPort, before: { commands: number; requests: number }): Spent {
  const now = redis.usage();
  return { commands: now.commands - before.commands, requests: now.requests - before.requests };
}

/** A type, not an interface: it is stored as JSON. */
export type Spent = { readonly commands: number; readonly requests: number };

export function addSpent(a: Spent, b: Spent): Spent {
  return { commands: a.commands + b.commands, requests: a.requests + b.requests };
}

/**
 * The same database with its own usage count: the port's count includes concurrent tasks. A command that is sent again
 * after a fault counts once. Requests and commands are counted here; bytes are those of the port. Once `signal` is
 * aborted nothing is sent and its reason is thrown: a run that lost its lease, or was cancelled, must not write.
 */
function meterRedis(redis: RedisPort, signal: AbortSignal): RedisPort {
  let requests = 0;
  let commands = 0;
  const count = (batch: readonly SentCommand[]): void => {
    stopIfAborted(signal);
    requests += 1;
    for (const command of batch) commands += command.some(isBinary) ? 2 : 1;
  };
  return {
    host: redis.host,
    async pipeline(batch) {
      count(batch);
      return redis.pipeline(batch);
    },
    async transaction(batch: readonly SentCommand[], form?: 'wire') {
      count(batch);
      return redis.transaction(batch, form) as Promise<RedisReply[]>;
    },
    usage: () => ({ ...redis.usage(), requests, commands }),
  };
}

/** A command with such an argument is sent as a script that contains the command, and both are billed. */
function isBinary(argument: SentCommand[number]): boolean {
  return argument instanceof Uint8Array && !isUtf8(argument);
}

/**
 * Field expiry is compared whenever the target supports it, whatever the snapshot holds: a field that was given an
 * expiry since would vanish from a hash reported as equal. A target without support holds none. Throws `redis-denied`
 * when the target supports it and denies reading it.
 */
export async function compareOptions(
  { now, redis }: RestoreContext,
  { inFlight }: RestoreSettings,
  signal: AbortSignal,
): Promise<CompareOptions> {
  const probe = await runOne(redis, (sdk) => sdk.hpexpiretime(absentKey(), 'f'));
  if (saysDenied(probe)) throw deniedFieldExpiry();
  return { inFlight, fieldExpiry: 'value' in probe, signal, now };
}
