import { isUtf8 } from 'node:buffer';
import { AppError, toAppError } from '../errors.js';
import type { Backend, Log } from '../ports/index.js';
import type { RunRecord } from '../runs/model.js';
import { loadBoundManifest } from '../snapshot/bound-manifest.js';
import type { OtherErasures } from '../snapshot/erasures.js';
import type { Manifest } from '../snapshot/manifest.js';
import type { SnapshotSettings } from '../snapshot/settings.js';
import { inputOf, parseRestoreCheckpoint, UNNAMED_PROJECT, type RestoreCheckpoint } from './checkpoint.js';
import { erasedKeys, type ErasedKeys } from './erased.js';
import type { ExpiryPlan } from './expiry.js';
import type { RestoreInput, Scope, VectorScope } from './model.js';
import { factsOf, projectsOf, scopeMatcher, type ScopeFacts, type ScopeMatcher } from './selected.js';
import { aheadOf } from './target-clock.js';
import type { StartPorts } from './start.js';
import type { RedisPort, RedisReply, SentCommand } from '../ports/redis.js';

export interface RestorePorts extends StartPorts {
  readonly log: Log;
  readonly backend: Backend;
  /** Absent: there is but one store. */
  readonly otherErasures?: OtherErasures;
  /** Has the vectors of what was restored rebuilt. */
  readonly reindex: (scope: VectorScope) => Promise<Afterwards>;
}

/**
 * What becomes of the vectors: a run was `started`, another one is at it (`busy`), it is `to-do` for whoever started the
 * restore, there is no index here (`not-configured`), it `failed` to start, or nobody wanted it (`skipped`).
 */
export type Afterwards = {
  readonly state: 'started' | 'busy' | 'to-do' | 'not-configured' | 'failed' | 'skipped';
  readonly run: string | null;
};

export interface RestoreSettings {
  /** Requests to Redis under way at a time, in one task. */
  readonly inFlight: number;
  /** How many tasks one attempt works on at a time itself; 0 sends all over the queue. */
  readonly inline: number;
  /** How many tasks the queue may deliver at a time. */
  readonly parallelism: number;
  /** Of the snapshot that is taken first. */
  readonly safety: SnapshotSettings;
}

/** What every step and task of a restore begins with. */
export interface RestoreContext {
  readonly input: RestoreInput;
  readonly state: RestoreCheckpoint;
  readonly manifest: Manifest;
  /** The target; counts what goes through this context alone. */
  readonly redis: RedisPort;
  /** By the target's clock, in milliseconds since the epoch: what has expired by then is over. */
  readonly now: () => number;
  /** What the snapshot ties to the scope. */
  readonly facts: ScopeFacts;
  /** Whose a key is, by what the snapshot tells. */
  readonly belongs: ScopeMatcher;
  /** What of it is left out, since it was erased. */
  readonly erased: ErasedKeys;
  readonly expiry: ExpiryPlan;
}

/** Of an attempt or a task; its `redis` sends nothing once `signal` is aborted. */
export async function openContext(ports: RestorePorts, run: RunRecord, signal: AbortSignal): Promise<RestoreContext> {
  const input = inputOf(run);
  const state = parseRestoreCheckpoint(run.checkpoint);
  const loaded = await loadBoundManifest(ports, input.snapshot, state.manifestSha256);
  if (loaded === null) {
    throw gone(input);
  }
  const facts = asFacts(input.scope, state.facts);
  const target = ports.redisOf(input.target);
  const aheadMs = await aheadOf(target, ports.clock);
  const now = (): number => ports.clock.now() + aheadMs;
  return {
    input,
    state,
    manifest: loaded.manifest,
    redis: metered(target, signal),
    now,
    facts,
    belongs: scopeMatcher(input.scope, facts),
    erased: erasedKeys(state.erased),
    expiry: { rule: input.expiry, shiftMs: state.shiftMs, now: now() },
  };
}

/** A file's snapshot is in no store: it ends with the process that read the file. Such a restore always has `fromSource`. */
function gone({ fromSource, snapshot }: RestoreInput): AppError {
  const removed = 'see `npx soulcaster-backup snapshots list --env-file .env`, and who removes objects from the store';
  return new AppError('not-found', `Snapshot ${snapshot}, with which the restore began, is not in the store`, {
    hint: fromSource
      ? `If it was made of a file (\`restore FILE\`), the process that held it was ended: start the same command again. If it was in the store: ${removed}.`
      : `It was there when the restore began: ${removed}.`,
  });
}

/** Facts of every project of the scope; those of a project of which nothing is known are empty. */
export function asFacts(scope: Scope, stored: RestoreCheckpoint['facts']): ScopeFacts {
  const projects = projectsOf(scope);
  const byProject = new Map(stored.map((entry) => [entry.project, entry]));
  return factsOf(
    projects.map((project) => {
      const found = byProject.get(project) ?? (projects.length === 1 ? byProject.get(UNNAMED_PROJECT) : undefined);
      const { clusters = [], jobs = [], users = [] } = found ?? {};
      return [project, { jobs: new Set(jobs), clusters: new Set(clusters), users: new Set(users) }];
    }),
    stored.flatMap(({ externals }) => externals),
  );
}

/** What was spent since `before`, as it goes into records. */
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
 * The same database with a separate count: the port's counts all that the tasks beside this one send as well. What is
 * sent again after a fault counts once. `usage` has its own requests and commands; its bytes are those of the port.
 * Once `signal` is aborted nothing is sent any more, and its reason is thrown: whoever lost the lease, or was cancelled,
 * must not write, whatever it is at.
 */
function metered(redis: RedisPort, signal: AbortSignal): RedisPort {
  let requests = 0;
  let commands = 0;
  const count = (batch: readonly SentCommand[]): void => {
    if (signal.aborted) throw toAppError(signal.reason);
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

/** Such a command goes as a script with the command inside, and both are billed. */
function isBinary(argument: SentCommand[number]): boolean {
  return argument instanceof Uint8Array && !isUtf8(argument);
}
