import { AppError } from '../../errors.js';
import { overwriteObject } from '../../control/object.js';
import type { Clock, ObjectStore, Signer } from '../../ports/index.js';
import { manifestName } from '../../snapshot/names.js';
import { readPinsOrThrow } from '../../snapshot/pins.js';
import { readTombstone, signTombstone, tombstoneName } from '../../snapshot/tombstone.js';
import type { Decision } from '../policy.js';
import { type ListedSnapshot, loadRunSummaries, snapshotsInUse } from '../stored.js';
import { isStoreFull, stillFullError } from '../removal-lease.js';
import { listParts, listUnneeded, withRoom, type RoomContext, objectsOf, type Sweeper } from './sweeper.js';

/** Tombstones written per check of the runs: one check serves the batch, and a crash leaves few tombstones behind. */
const BATCH = 10;
/** A store that refused this many removals would refuse the others as well. */
const ENOUGH_REFUSALS = 3;

interface RemovePorts {
  readonly clock: Clock;
  readonly signer: Signer;
  readonly store: ObjectStore;
}

export interface Removal {
  readonly snapshot: ListedSnapshot;
  readonly decision: Decision;
}

export interface RemovalCounts {
  removed: number;
  keptByStore: number;
  left: number;
}

/**
 * Removes whole snapshots: tombstone, a second check of the runs, manifest, the rest. A crash in between leaves each snapshot
 * either listed and whole, or unlisted and explained by its tombstone; a later prune removes the remains.
 */
export async function removeSnapshots(
  ports: RemovePorts,
  room: RoomContext,
  removals: readonly Removal[],
): Promise<RemovalCounts> {
  const { sweeper } = room;
  const count: RemovalCounts = { removed: 0, keptByStore: 0, left: 0 };
  let full: boolean | null = null;
  const postponed: Removal[] = [];
  for (let from = 0; from < removals.length; from += BATCH) {
    const batch = removals.slice(from, from + BATCH);
    if (sweeper.timeIsUp() || count.keptByStore >= ENOUGH_REFUSALS) count.left += batch.length;
    else if (await writeTombstones(ports, sweeper, batch)) await removeBatch(ports, room, batch, count);
    else {
      const [first] = batch;
      const writeFirst = (): Promise<void> =>
        first === undefined ? sweeper.confirm() : writeTombstoneUnderLease(ports, sweeper, first);
      full ??= !(await withRoom(writeFirst, listUnneeded(room), room));
      for (const each of batch) if (!(await removeWithoutRoom(ports, room, each, count))) postponed.push(each);
    }
  }
  // Later removals may have made room.
  for (const each of postponed) if (!(await removeWithoutRoom(ports, room, each, count))) count.left += 1;
  if (full === true && count.removed + count.keptByStore === 0 && !sweeper.timeIsUp())
    throw stillFullError(ports.store);
  return count;
}

async function writeTombstoneUnderLease(ports: RemovePorts, sweeper: Sweeper, removals: Removal): Promise<void> {
  await sweeper.keep();
  await writeTombstone(ports, removals);
}

/** Returns false if the store is too full for all tombstones; those written do no harm. */
async function writeTombstones(ports: RemovePorts, sweeper: Sweeper, batch: readonly Removal[]): Promise<boolean> {
  try {
    for (const each of batch) await writeTombstoneUnderLease(ports, sweeper, each);
    return true;
  } catch (error) {
    if (isStoreFull(error)) return false;
    throw error;
  }
}

/**
 * Removes a snapshot when there is no room for its tombstone: its parts are removed first until there is room. A crash in
 * between leaves a snapshot without some parts; the policy removes it the next time, too, and its manifest still names the
 * parts. Returns false if removing all its parts makes no room.
 */
async function removeWithoutRoom(
  ports: RemovePorts,
  room: RoomContext,
  removals: Removal,
  count: RemovalCounts,
): Promise<boolean> {
  const { id } = removals.snapshot;
  const { store, runs, sweeper } = room;
  const isFree = async (): Promise<boolean> => !(await loadNeeded(store, runs)).has(id);
  if (sweeper.timeIsUp() || !(await isFree())) {
    await removeTombstone(store, id);
    count.left += 1;
    return true;
  }
  if (!(await withRoom(() => writeTombstoneUnderLease(ports, sweeper, removals), listParts(store, id), room)))
    return false;
  if (!(await isFree())) count.left += 1;
  else if (await removeOne(ports, sweeper, id)) count.removed += 1;
  else count.keptByStore += 1;
  return true;
}

async function removeBatch(
  ports: RemovePorts,
  { runs, sweeper }: RoomContext,
  batch: readonly Removal[],
  count: RemovalCounts,
): Promise<void> {
  const needed = await loadNeeded(ports.store, runs);
  for (const { snapshot } of batch) {
    if (sweeper.timeIsUp() || count.keptByStore >= ENOUGH_REFUSALS || needed.has(snapshot.id)) {
      await removeTombstone(ports.store, snapshot.id);
      count.left += 1;
    } else if (await removeOne(ports, sweeper, snapshot.id)) count.removed += 1;
    else count.keptByStore += 1;
  }
}

/** Snapshots now in use or pinned, checked once more before anything is removed. */
async function loadNeeded(store: ObjectStore, runs: RoomContext['runs']): Promise<ReadonlySet<string>> {
  return new Set([...snapshotsInUse(await loadRunSummaries(store, runs)), ...(await readPinsOrThrow(store)).keys()]);
}

async function writeTombstone({ clock, signer, store }: RemovePorts, { snapshot, decision }: Removal): Promise<void> {
  const { id, manifest, sha256 } = snapshot;
  const isSigned = (manifest?.seal.signature ?? null) !== null;
  if (isSigned && signer.accepts === '') throw unsignedRemovalError(id);
  const existing = await readTombstone({ signer, store }, id);
  if (existing?.manifestSha256 === sha256) return;
  const prunedAt = new Date(clock.now()).toISOString();
  const previous = manifest?.previous ?? null;
  const body = signTombstone(
    { formatVersion: 1, id, manifestSha256: sha256, previous, prunedAt, reasons: [...decision.reasons] },
    signer,
  );
  // An existing tombstone that does not match is forged, or belongs to a replaced manifest.
  await overwriteObject(store, tombstoneName(id), body);
}

/** Where a key is set, an unsigned tombstone is ignored, and the snapshot would count as missing. */
function unsignedRemovalError(id: string): AppError {
  return new AppError(
    'config',
    `Snapshot ${id} is signed, and no signing key is set here, so its removal cannot be signed`,
    {
      hint: 'The snapshot was not removed. Set BACKUP_SIGNING_KEY where snapshots are removed, as it is set where they are taken.',
    },
  );
}

/** A tombstone beside its manifest has no effect, so a failed removal does no harm. */
export async function removeTombstone(store: ObjectStore, id: string): Promise<void> {
  await store.remove(tombstoneName(id)).catch(() => undefined);
}

/** Returns false if the store refuses to remove the manifest; nothing is removed then. */
async function removeOne({ store }: RemovePorts, sweeper: Sweeper, id: string): Promise<boolean> {
  const found = await objectsOf(store, id);
  const name = manifestName(id);
  await sweeper.confirm();
  if (!(await sweeper.remove({ name, size: found.find((object) => object.name === name)?.size ?? 0 }))) {
    await removeTombstone(store, id);
    return false;
  }
  await sweeper.removeAll(found.filter((object) => object.name !== name));
  return true;
}
