import { AppError } from '../errors.js';
import type { Backend, Log, RedisPort } from '../ports/index.js';
import type { RunRecord } from '../runs/model.js';
import type { ProjectFacts } from '../soulcaster/project-scope.js';
import { boundManifest } from '../snapshot/bound-manifest.js';
import type { Manifest } from '../snapshot/manifest.js';
import type { SnapshotSettings } from '../snapshot/settings.js';
import { inputOf, parseRestoreCheckpoint, type RestoreCheckpoint } from './checkpoint.js';
import type { ExpiryPlan } from './expiry.js';
import { metered } from './metered.js';
import type { RestoreInput, Scope } from './model.js';
import type { StartPorts } from './start.js';

export interface RestorePorts extends StartPorts {
  readonly log: Log;
  readonly backend: Backend;
  /** Has the vectors of what was restored made anew. */
  readonly reindex: (scope: Scope) => Promise<Afterwards>;
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
  /** How many tasks one leg works on at a time itself; 0 sends all over the queue. */
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
  readonly facts: ProjectFacts;
  readonly expiry: ExpiryPlan;
}

export async function openContext(ports: RestorePorts, run: RunRecord): Promise<RestoreContext> {
  const input = inputOf(run);
  const state = parseRestoreCheckpoint(run.checkpoint);
  const loaded = await boundManifest(ports, input.snapshot, state.manifestSha256);
  if (loaded === null) {
    throw new AppError('not-found', `Snapshot ${input.snapshot} is gone`, {
      hint: 'It was there when the restore began. See `soulcaster-backup list`, and who removes objects from the store.',
    });
  }
  return {
    input,
    state,
    manifest: loaded.manifest,
    redis: metered(ports.redisOf(input.target)),
    facts: asSets(state.facts),
    expiry: { rule: input.expiry, shiftMs: state.shiftMs, now: ports.clock.now() },
  };
}

export function asSets(facts: RestoreCheckpoint['facts']): ProjectFacts {
  return { jobs: new Set(facts.jobs), clusters: new Set(facts.clusters), users: new Set(facts.users) };
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
