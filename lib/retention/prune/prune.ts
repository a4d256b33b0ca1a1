import { AppError } from '../../errors.js';
import type { Ports } from '../../ports/index.js';
import { manifestName } from '../../snapshot/names.js';
import { refreshCatalog } from '../../snapshot/catalog-object.js';
import { readPinsOrThrow } from '../../snapshot/pins.js';
import { trustContext, type TrustContext } from '../../snapshot/trust.js';
import { neededByRestores } from '../../snapshot/unfinished-marks.js';
import { latestTrusted } from '../../snapshot/latest.js';
import { canSign, tombstoneIds } from '../../snapshot/tombstone.js';
import { applyPolicy } from '../apply-policy.js';
import type { Decision, RetentionPlan, RetentionSettings } from '../policy.js';
import { stillFullError } from '../removal-lease.js';
import { findObsolete, findPartsOfFailedRuns, type Obsolete, type ObsoleteKind } from './obsolete.js';
import {
  missingSnapshots,
  isAmbiguous,
  loadSnapshots,
  type StoredSnapshots,
  lastSnapshotRunsFailed,
  loadRunSummaries,
  snapshotsInUse,
  type RunSummary,
} from '../stored.js';
import { listUnneeded, withRoom, objectsOf, openSweeper, type Sweeper } from './sweeper.js';
import { removeSnapshots, removeTombstone, type Removal, type RemovalCounts } from './remove.js';

export interface PrunePorts extends Pick<Ports, 'clock' | 'log' | 'signer' | 'store'> {
  /** The source of the protected database; null if none is configured. */
  readonly own: string | null;
}

export interface PruneOptions {
  /** Reports what would be removed and changes nothing. */
  readonly dryRun: boolean;
  /** When it stops, in milliseconds since the epoch; without a deadline it runs to the end. */
  readonly deadline?: number;
  readonly interrupt?: AbortSignal;
}

export interface PruneResult {
  readonly dryRun: boolean;
  /** Why nothing was removed, except surplus incomplete snapshots while runs fail; null when removals were allowed. */
  readonly held: string | null;
  /** Newest first. */
  readonly decisions: readonly Decision[];
  readonly snapshots: {
    readonly kept: number;
    readonly removed: number;
    /** Snapshots that the store refused to remove: they are whole and listed. */
    readonly keptByStore: number;
    /** Snapshots left because time ran out or a run has begun to use them. */
    readonly left: number;
  };
  /** Removed objects by kind; `leftovers` belong to a snapshot that an earlier prune began to remove. */
  readonly obsolete: Readonly<Record<ObsoleteKind, number>>;
  /** Total of removed objects and bytes; in a dry run, of those that would be removed. */
  readonly objects: number;
  readonly bytes: number;
  /** Objects that the store refused to remove: their number, and the first 100 names. */
  readonly keptByStore: { readonly count: number; readonly names: readonly string[] };
  /** Snapshots whose manifest is gone without a tombstone: their parts are kept, so that they can be repaired. */
  readonly missing: readonly string[];
  /** Whether everything was checked; false if time ran out. */
  readonly finished: boolean;
}

interface Plan {
  readonly stored: StoredSnapshots;
  readonly runs: readonly RunSummary[];
  readonly retention: RetentionPlan;
  readonly removals: readonly Removal[];
}

/**
 * Removes the snapshots that the policy does not keep, and obsolete objects. May be killed at any point and called again:
 * every listed snapshot is whole at any time. Objects that the store refuses to remove are counted and are no failure.
 * Throws `locked` while another prune is in progress, and `config` if only the public signing key is set.
 */
export async function prune(
  ports: PrunePorts,
  settings: RetentionSettings,
  options: PruneOptions,
): Promise<PruneResult> {
  if (!options.dryRun && !canSign(ports.signer)) {
    throw new AppError('config', 'Only the public signing key is set: a removal cannot be signed', {
      hint: 'Set BACKUP_SIGNING_KEY where snapshots are pruned.',
    });
  }
  const { deadline = Infinity, interrupt } = options;
  const timeIsUp = (): boolean => ports.clock.now() >= deadline || interrupt?.aborted === true;
  const sweeper = await openSweeper(ports, { dryRun: options.dryRun, timeIsUp });
  try {
    const plan = await makePlan(ports, settings);
    const result = await carryOut(ports, settings, plan, sweeper, options.dryRun);
    if (!options.dryRun && result.snapshots.removed > 0) await refreshCatalog(ports);
    logResult(ports, result);
    return result;
  } finally {
    await sweeper.close();
  }
}

async function makePlan(ports: PrunePorts, settings: RetentionSettings): Promise<Plan> {
  const runs = await loadRunSummaries(ports.store);
  const context = await trustContext(ports, ports.own);
  const stored = await loadSnapshots(context);
  const retention = applyPolicy(stored.listed, settings, {
    now: ports.clock.now(),
    inUse: new Set([...snapshotsInUse(runs), ...(await neededByRestores(ports.store))]),
    latest: await latestId(context),
    pinned: await readPinsOrThrow(ports.store),
    lastRunsFailed: lastSnapshotRunsFailed(runs),
    ambiguous: isAmbiguous(stored.listed, context),
  });
  const byId = new Map(stored.listed.map((snapshot) => [snapshot.id, snapshot]));
  const removals = retention.decisions.flatMap((decision): Removal[] => {
    const snapshot = byId.get(decision.id);
    return decision.keep || snapshot === undefined ? [] : [{ snapshot, decision }];
  });
  // Oldest first: an interrupted prune then leaves the newer ones.
  return { stored, runs, retention, removals: removals.reverse() };
}

/** Null if the database is ambiguous; `ambiguous` then holds all snapshots. */
async function latestId(context: TrustContext): Promise<string | null> {
  const nullIfAmbiguous = (error: unknown): null => {
    if (error instanceof AppError && error.code === 'usage') return null;
    throw error;
  };
  return (await latestTrusted(context).catch(nullIfAmbiguous))?.id ?? null;
}

async function carryOut(
  ports: PrunePorts,
  settings: RetentionSettings,
  plan: Plan,
  sweeper: Sweeper,
  dryRun: boolean,
): Promise<PruneResult> {
  const { retention, stored, removals } = plan;
  const counts: Record<ObsoleteKind, number> = { leftovers: 0, orphans: 0, runs: 0, webhooks: 0, probes: 0, drills: 0 };
  await removeFound(findPartsOfFailedRuns({ store: ports.store, ...plan }), sweeper, counts);
  if (retention.held === null) {
    if (!dryRun) await removeStaleTombstones(ports, stored, removals);
    // Objects whose removal needs no record go first: a full store may have no room for a record before.
    await sweepObsolete(ports, settings, plan, sweeper, counts);
  }
  const onlyCounts = dryRun || (retention.held !== null && removals.length === 0);
  const removed = onlyCounts ? await countOnly(ports, sweeper, removals) : await removeAll(ports, plan, sweeper);
  return {
    dryRun,
    held: retention.held,
    decisions: retention.decisions,
    snapshots: { kept: stored.listed.length - removals.length, ...removed },
    obsolete: counts,
    objects: sweeper.objects,
    bytes: sweeper.bytes,
    keptByStore: sweeper.denied,
    missing: missingSnapshots(plan),
    finished: !sweeper.timeIsUp(),
  };
}

/** Removes tombstones that a dead prune left beside snapshots that are kept now. */
async function removeStaleTombstones(
  { store }: PrunePorts,
  stored: StoredSnapshots,
  removals: readonly Removal[],
): Promise<void> {
  const removed = new Set(removals.map(({ snapshot }) => snapshot.id));
  const listed = new Set(stored.listed.map(({ id }) => id));
  for (const id of await tombstoneIds(store)) if (listed.has(id) && !removed.has(id)) await removeTombstone(store, id);
}

/** Removes the snapshots. Throws `store-full` if no allowed removal makes room for the tombstones. */
async function removeAll(
  ports: PrunePorts,
  { removals, stored, runs }: Plan,
  sweeper: Sweeper,
): Promise<RemovalCounts> {
  const room = { store: ports.store, stored, runs, sweeper };
  if (removals.length === 0) {
    // No snapshot to remove, but a prune of a full store is expected to make room.
    if (!(await withRoom(() => sweeper.keep(), listUnneeded(room), room)) && !sweeper.timeIsUp())
      throw stillFullError(ports.store);
    return { removed: 0, keptByStore: 0, left: 0 };
  }
  return removeSnapshots(ports, room, removals);
}

async function countOnly(
  { store }: PrunePorts,
  sweeper: Sweeper,
  removals: readonly Removal[],
): Promise<RemovalCounts> {
  for (const { snapshot } of removals) await sweeper.removeAll(await objectsOf(store, snapshot.id));
  return { removed: removals.length, keptByStore: 0, left: 0 };
}

async function sweepObsolete(
  { store }: PrunePorts,
  settings: RetentionSettings,
  { retention, stored, runs }: Plan,
  sweeper: Sweeper,
  counts: Record<ObsoleteKind, number>,
): Promise<void> {
  const newest = retention.decisions.find(({ reasons }) => reasons.includes('newest-verified'));
  if (retention.reference === null || newest === undefined) return;
  const context = { store, settings, stored, runs, reference: retention.reference, newestVerified: newest.id };
  await removeFound(findObsolete(context), sweeper, counts);
}

async function removeFound(
  obsolete: AsyncIterable<Obsolete>,
  sweeper: Sweeper,
  counts: Record<ObsoleteKind, number>,
): Promise<void> {
  const refused = new Set<ObsoleteKind>();
  for await (const { kind, objects } of obsolete) {
    if (sweeper.timeIsUp()) return;
    if (refused.has(kind)) continue;
    const last = objects.at(-1);
    const others = await sweeper.removeAll(objects.slice(0, -1));
    counts[kind] += others;
    const gone = last !== undefined && others === objects.length - 1 && (await sweeper.remove(last));
    if (gone) counts[kind] += 1;
    // A store that refuses one object of a kind refuses them all.
    else if (last !== undefined) refused.add(kind);
  }
}

function logResult({ log }: PrunePorts, result: PruneResult): void {
  const { dryRun, held, snapshots, objects, keptByStore, missing, finished } = result;
  const fields = { dryRun, removed: snapshots.removed, kept: snapshots.kept, objects, finished };
  log.info('pruned', fields);
  if (held !== null) log.warn('prune-held', { reason: held });
  if (keptByStore.count > 0)
    log.warn('prune-refused', { objects: keptByStore.count, first: keptByStore.names[0] ?? '' });
  if (missing.length > 0)
    log.warn('prune-missing', { snapshots: missing.length, first: manifestName(missing[0] ?? '') });
}
