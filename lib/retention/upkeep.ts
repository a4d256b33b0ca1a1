import { toAppError, type AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import type { RetentionSettings } from './policy.js';
import { prune, type PrunePorts, type PruneResult } from './prune/prune.js';
import { errorOfReplica, replicate, replicateInto, type ReplicaResult } from './replica/replicate.js';

/** Nothing is started with less time left. */
const MIN_MS = 5_000;

/** Outcome of a part of the upkeep. Upkeep never throws: its failure does not affect the snapshot before it. */
export type Outcome<T> =
  | { readonly state: 'done'; readonly result: T; readonly error: AppError | null }
  | { readonly state: 'failed'; readonly error: AppError }
  | { readonly state: 'skipped'; readonly reason: string };

export interface Upkeep {
  readonly prune: Outcome<PruneResult>;
  readonly replica: Outcome<ReplicaResult>;
  /** The prune of the second store. */
  readonly replicaPrune: Outcome<PruneResult>;
}

export interface UpkeepRequest {
  /** May throw `config`. */
  readonly settings: () => RetentionSettings;
  /** The second store; null when there is none. May throw `config`. */
  readonly replica: () => ObjectStore | null;
  /** When everything stops, in milliseconds since the epoch. */
  readonly deadline: number;
  readonly interrupt: AbortSignal;
}

/** The work after a successful snapshot: prune, replicate to the second store, and prune the second store. */
export async function upkeep(ports: PrunePorts, request: UpkeepRequest): Promise<Upkeep> {
  const { deadline, interrupt } = request;
  const budget = { dryRun: false, deadline, interrupt };
  const attempt = async <T>(what: string, work: () => Promise<T | null>): Promise<Outcome<T>> => {
    if (ports.clock.now() > deadline - MIN_MS || interrupt.aborted) return skipped('no time was left');
    try {
      const result = await work();
      return result === null ? skipped('there is no second store') : { state: 'done', result, error: null };
    } catch (cause) {
      const error = toAppError(cause);
      ports.log.error(`${what}-failed`, { code: error.code, message: error.message });
      return { state: 'failed', error };
    }
  };
  const pruned = await attempt('prune', () => prune(ports, request.settings(), budget));
  const pruneSecond = (store: ObjectStore): Promise<PruneResult> =>
    prune({ ...ports, store }, request.settings(), budget);
  const replicated = await attempt('replicate', async () => {
    const replica = request.replica();
    if (replica === null) return null;
    const mayPrune = objectionOfFirst(pruned) === null;
    return replicateInto(
      () => replicate({ ...ports, replica }, budget),
      async () => (mayPrune ? (await pruneSecond(replica)).objects : 0),
    );
  });
  const objection = objectionToReplicaPrune(pruned, replicated);
  const replicaPrune =
    objection === null
      ? await attempt('replica-prune', async () => {
          const store = request.replica();
          return store === null ? null : pruneSecond(store);
        })
      : skipped(objection);
  return { prune: pruned, replica: withError(replicated), replicaPrune };
}

/** The second store has no run records, and snapshots that it lacks cannot be evaluated: it is pruned only after the first. */
function objectionToReplicaPrune(pruned: Outcome<PruneResult>, replicated: Outcome<ReplicaResult>): string | null {
  if (replicated.state === 'skipped') return replicated.reason;
  if (replicated.state === 'failed') return 'the second store was not brought up to date';
  if (replicated.result.left > 0) return 'the second store is not up to date yet';
  return objectionOfFirst(pruned);
}

function objectionOfFirst(pruned: Outcome<PruneResult>): string | null {
  return pruned.state === 'done' ? pruned.result.held : 'the first store was not pruned';
}

function withError(outcome: Outcome<ReplicaResult>): Outcome<ReplicaResult> {
  return outcome.state === 'done' ? { ...outcome, error: errorOfReplica(outcome.result) } : outcome;
}

function skipped(reason: string): { readonly state: 'skipped'; readonly reason: string } {
  return { state: 'skipped', reason };
}
