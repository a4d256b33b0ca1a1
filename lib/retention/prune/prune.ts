import { AppError } from '../../errors.js';
import type { Ports } from '../../ports/index.js';
import { manifestName } from '../../snapshot/names.js';
import { refreshCatalog } from '../../snapshot/catalog-object.js';
import { readPinsOrThrow } from '../../snapshot/pins.js';
import { trustContext, type TrustContext } from '../../snapshot/trust.js';
import { latestTrusted } from '../../snapshot/latest.js';
import { canSign, tombstoneIds } from '../../snapshot/tombstone.js';
import { applyPolicy } from '../apply-policy.js';
import type { RetentionPlan, RetentionSettings } from '../policy.js';
import { stillFull } from './late-lease.js';
import { obsolete, missingSnapshots } from './obsolete.js';
import { unneeded, withRoom } from './make-room.js';
import { isAmbiguous, loadSnapshots, type StoredSnapshots } from './stored-snapshots.js';
import { removeSnapshots, unmark, type Going, type Removed } from './remove.js';
import type { ObsoleteKind, PruneResult } from './result.js';
import { lastSnapshotRunsFailed, loadRunSummaries, snapshotsInUse, type RunSummary } from './runs.js';
import { objectsOf, openSweeper, type Sweeper } from './sweeper.js';

export interface PrunePorts extends Pick<Ports, 'clock' | 'log' | 'signer' | 'store'> {
  /** The source of the database that is protected; null where none is configured. */
  readonly own: string | null;
}

export interface PruneOptions {
  /** Says what would be removed and changes nothing. */
  readonly dryRun: boolean;
  /** Milliseconds since the epoch by which it stops; without one it runs to the end. */
  readonly deadline?: number;
  readonly interrupt?: AbortSignal;
}

interface Plan {
  readonly stored: StoredSnapshots;
  readonly runs: readonly RunSummary[];
  readonly judgement: RetentionPlan;
  readonly going: readonly Going[];
}

/**
 * Removes the snapshots that the policy lets go, and what nothing needs any more. May be killed anywhere and called
 * again: every listed snapshot is whole at any time. What the store refuses to remove is counted and no failure.
 * Throws `locked` while another prune is in progress, and `config` where a public key demands signatures that cannot be made.
 */
export async function prune(
  ports: PrunePorts,
  settings: RetentionSettings,
  options: PruneOptions,
): Promise<PruneResult> {
  if (!options.dryRun && !canSign(ports.signer)) {
    throw new AppError('config', 'Only the public signing key is set, so that a removal cannot be put on record', {
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
    printDecisions(ports, result);
    return result;
  } finally {
    await sweeper.close();
  }
}

async function makePlan(ports: PrunePorts, settings: RetentionSettings): Promise<Plan> {
  const runs = await loadRunSummaries(ports.store);
  const context = await trustContext(ports, ports.own);
  const stored = await loadSnapshots(context);
  const judgement = applyPolicy(stored.listed, settings, {
    now: ports.clock.now(),
    inUse: snapshotsInUse(runs),
    latest: await latestId(context),
    pinned: await readPinsOrThrow(ports.store),
    lastRunsFailed: lastSnapshotRunsFailed(runs),
    ambiguous: isAmbiguous(stored, context),
  });
  const byId = new Map(stored.listed.map((snapshot) => [snapshot.id, snapshot]));
  const going = judgement.decisions.flatMap((decision): Going[] => {
    const snapshot = byId.get(decision.id);
    return decision.keep || snapshot === undefined ? [] : [{ snapshot, decision }];
  });
  // The oldest first: what a prune that breaks off leaves is then the newer part.
  return { stored: stored, runs, judgement, going: going.reverse() };
}

/** Where it cannot be told whose snapshot is meant, `ambiguous` holds all. */
async function latestId(context: TrustContext): Promise<string | null> {
  const many = (error: unknown): null => {
    if (error instanceof AppError && error.code === 'usage') return null;
    throw error;
  };
  return (await latestTrusted(context).catch(many))?.id ?? null;
}

async function carryOut(
  ports: PrunePorts,
  settings: RetentionSettings,
  plan: Plan,
  sweeper: Sweeper,
  dryRun: boolean,
): Promise<PruneResult> {
  const { judgement, stored: stored, going } = plan;
  const counts: Record<ObsoleteKind, number> = { leftovers: 0, orphans: 0, runs: 0, webhooks: 0, probes: 0, drills: 0 };
  let removed: Removed = { removed: 0, keptByStore: 0, left: 0 };
  if (judgement.held === null) {
    if (!dryRun) await withdrawStale(ports, stored, going);
    // What needs no record of its removal goes first: a full store may have no room for one before.
    await sweepObsolete(ports, settings, plan, sweeper, counts);
    removed = dryRun ? await countOnly(ports, sweeper, going) : await removeAll(ports, plan, sweeper);
  }
  return {
    dryRun,
    held: judgement.held,
    decisions: judgement.decisions,
    snapshots: { kept: stored.listed.length - going.length, ...removed },
    obsolete: counts,
    objects: sweeper.objects,
    bytes: sweeper.bytes,
    keptByStore: sweeper.denied,
    missing: missingSnapshots(plan),
    finished: !sweeper.timeIsUp(),
  };
}

/** Tombstones that a prune which died left beside snapshots that now stay. */
async function withdrawStale({ store }: PrunePorts, stored: StoredSnapshots, going: readonly Going[]): Promise<void> {
  const leaving = new Set(going.map(({ snapshot }) => snapshot.id));
  const standing = new Set(stored.listed.map(({ id }) => id));
  for (const id of await tombstoneIds(store)) if (standing.has(id) && !leaving.has(id)) await unmark(store, id);
}

/** Removes the snapshots that go. Throws `store-full` when nothing that may go makes room for the records of that. */
async function removeAll(ports: PrunePorts, { going, stored: stored, runs }: Plan, sweeper: Sweeper): Promise<Removed> {
  const room = { store: ports.store, stored: stored, runs, sweeper };
  if (going.length === 0) {
    // Nothing to record; but whoever starts a prune of a full store expects room.
    if (!(await withRoom(() => sweeper.keep(), unneeded(room), room)) && !sweeper.timeIsUp()) throw stillFull();
    return { removed: 0, keptByStore: 0, left: 0 };
  }
  return removeSnapshots(ports, room, going);
}

async function countOnly({ store }: PrunePorts, sweeper: Sweeper, going: readonly Going[]): Promise<Removed> {
  for (const { snapshot } of going) await sweeper.removeAll(await objectsOf(store, snapshot.id));
  return { removed: going.length, keptByStore: 0, left: 0 };
}

async function sweepObsolete(
  { store }: PrunePorts,
  settings: RetentionSettings,
  { judgement, stored: stored, runs }: Plan,
  sweeper: Sweeper,
  counts: Record<ObsoleteKind, number>,
): Promise<void> {
  const newest = judgement.decisions.find(({ reasons }) => reasons.includes('newest-verified'));
  if (judgement.reference === null || newest === undefined) return;
  const context = { store, settings, stored: stored, runs, reference: judgement.reference, newestVerified: newest.id };
  const refused = new Set<ObsoleteKind>();
  for await (const { kind, objects } of obsolete(context)) {
    if (sweeper.timeIsUp()) return;
    if (refused.has(kind)) continue;
    const last = objects.at(-1);
    const others = await sweeper.removeAll(objects.slice(0, -1));
    counts[kind] += others;
    const gone = last !== undefined && others === objects.length - 1 && (await sweeper.remove(last));
    if (gone) counts[kind] += 1;
    // What the store refuses once it refuses for all of a kind.
    else if (last !== undefined) refused.add(kind);
  }
}

function printDecisions({ log }: PrunePorts, result: PruneResult): void {
  const { dryRun, held, snapshots, objects, keptByStore, missing, finished } = result;
  const fields = { dryRun, removed: snapshots.removed, kept: snapshots.kept, objects, finished };
  log.info('pruned', fields);
  if (held !== null) log.warn('prune-held', { reason: held });
  if (keptByStore.count > 0)
    log.warn('prune-refused', { objects: keptByStore.count, first: keptByStore.names[0] ?? '' });
  if (missing.length > 0)
    log.warn('prune-missing', { snapshots: missing.length, first: manifestName(missing[0] ?? '') });
}
