import { overwriteObject } from '../../control/object.js';
import type { Clock, ObjectStore, Signer } from '../../ports/index.js';
import { manifestName } from '../../snapshot/names.js';
import { readPinsOrThrow } from '../../snapshot/pins.js';
import { readTombstone, signTombstone, tombstoneName } from '../../snapshot/tombstone.js';
import type { Decision } from '../policy.js';
import type { ListedSnapshot } from './stored-snapshots.js';
import { isStoreFull, stillFull } from './late-lease.js';
import { partsOf, unneeded, withRoom, type RoomContext } from './make-room.js';
import { loadRunSummaries, snapshotsInUse } from './runs.js';
import { objectsOf, type Sweeper } from './sweeper.js';

/** This many are marked before the runs are looked at again: one look serves them all, and few are left marked by a death. */
const BATCH = 10;
/** A store that refused this many would refuse the others as well. */
const ENOUGH_REFUSALS = 3;

interface RemovePorts {
  readonly clock: Clock;
  readonly signer: Signer;
  readonly store: ObjectStore;
}

export interface Going {
  readonly snapshot: ListedSnapshot;
  readonly decision: Decision;
}

export interface Removed {
  removed: number;
  keptByStore: number;
  left: number;
}

/**
 * Removes whole snapshots: tombstone, a second look at the runs, manifest, the rest. A death in between leaves each one
 * either listed and whole, or not listed and explained; what is left of it is a later prune's to remove.
 */
export async function removeSnapshots(
  ports: RemovePorts,
  room: RoomContext,
  going: readonly Going[],
): Promise<Removed> {
  const { sweeper } = room;
  const count: Removed = { removed: 0, keptByStore: 0, left: 0 };
  let full: boolean | null = null;
  const cramped: Going[] = [];
  for (let from = 0; from < going.length; from += BATCH) {
    const batch = going.slice(from, from + BATCH);
    if (sweeper.timeIsUp() || count.keptByStore >= ENOUGH_REFUSALS) count.left += batch.length;
    else if (await markAll(ports, sweeper, batch)) await removeBatch(ports, room, batch, count);
    else {
      const [first] = batch;
      const marked = (): Promise<void> => (first === undefined ? sweeper.confirm() : markOne(ports, sweeper, first));
      full ??= !(await withRoom(marked, unneeded(room), room));
      for (const each of batch) if (!(await removeCramped(ports, room, each, count))) cramped.push(each);
    }
  }
  // What later ones made room for.
  for (const each of cramped) if (!(await removeCramped(ports, room, each, count))) count.left += 1;
  if (full === true && count.removed + count.keptByStore === 0 && !sweeper.timeIsUp()) throw stillFull();
  return count;
}

async function markOne(ports: RemovePorts, sweeper: Sweeper, going: Going): Promise<void> {
  await sweeper.keep();
  await mark(ports, going);
}

/** False when the store is too full for the tombstones; those that it took do no harm. */
async function markAll(ports: RemovePorts, sweeper: Sweeper, batch: readonly Going[]): Promise<boolean> {
  try {
    for (const each of batch) await markOne(ports, sweeper, each);
    return true;
  } catch (error) {
    if (isStoreFull(error)) return false;
    throw error;
  }
}

/**
 * Removes one snapshot where there is no room for its tombstone: parts of it go first, until there is. A death in
 * between leaves a snapshot that lacks parts; the policy lets it go the next time as well, and its manifest says whose
 * parts those were. False when all its parts did not make room.
 */
async function removeCramped(ports: RemovePorts, room: RoomContext, going: Going, count: Removed): Promise<boolean> {
  const { id } = going.snapshot;
  const { store, runs, sweeper } = room;
  const isFree = async (): Promise<boolean> => !(await spared(store, runs)).has(id);
  if (sweeper.timeIsUp() || !(await isFree())) {
    await unmark(store, id);
    count.left += 1;
    return true;
  }
  if (!(await withRoom(() => markOne(ports, sweeper, going), partsOf(store, id), room))) return false;
  if (!(await isFree())) count.left += 1;
  else if (await removeOne(ports, sweeper, id)) count.removed += 1;
  else count.keptByStore += 1;
  return true;
}

async function removeBatch(
  ports: RemovePorts,
  { runs, sweeper }: RoomContext,
  batch: readonly Going[],
  count: Removed,
): Promise<void> {
  const needed = await spared(ports.store, runs);
  for (const { snapshot } of batch) {
    if (sweeper.timeIsUp() || count.keptByStore >= ENOUGH_REFUSALS || needed.has(snapshot.id)) {
      await unmark(ports.store, snapshot.id);
      count.left += 1;
    } else if (await removeOne(ports, sweeper, snapshot.id)) count.removed += 1;
    else count.keptByStore += 1;
  }
}

/** Looked at once more before anything is removed: what a run works with by now, and what was pinned meanwhile. */
async function spared(store: ObjectStore, runs: RoomContext['runs']): Promise<ReadonlySet<string>> {
  return new Set([...snapshotsInUse(await loadRunSummaries(store, runs)), ...(await readPinsOrThrow(store)).keys()]);
}

async function mark({ clock, signer, store }: RemovePorts, { snapshot, decision }: Going): Promise<void> {
  const { id, manifest, sha256 } = snapshot;
  const existing = await readTombstone({ signer, store }, id);
  if (existing?.manifestSha256 === sha256) return;
  const prunedAt = new Date(clock.now()).toISOString();
  const previous = manifest?.previous ?? null;
  const body = signTombstone(
    { formatVersion: 1, id, manifestSha256: sha256, previous, prunedAt, reasons: [...decision.reasons] },
    signer,
  );
  // What is there and does not count is not ours, or of a manifest that was replaced.
  await overwriteObject(store, tombstoneName(id), body);
}

/** A tombstone that stays beside its manifest means nothing; that it cannot be removed does no harm. */
export async function unmark(store: ObjectStore, id: string): Promise<void> {
  await store.remove(tombstoneName(id)).catch(() => undefined);
}

/** False when the store refuses to let go of the manifest: then nothing was removed. */
async function removeOne({ store }: RemovePorts, sweeper: Sweeper, id: string): Promise<boolean> {
  const found = await objectsOf(store, id);
  const name = manifestName(id);
  await sweeper.confirm();
  if (!(await sweeper.remove({ name, size: found.find((object) => object.name === name)?.size ?? 0 }))) {
    await unmark(store, id);
    return false;
  }
  await sweeper.removeAll(found.filter((object) => object.name !== name));
  return true;
}
