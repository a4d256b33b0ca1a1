import type { ObjectStore } from '../../ports/store.js';
import { runName } from '../../runs/records.js';
import { isStoreFull } from './late-lease.js';
import type { StoredSnapshots } from './stored-snapshots.js';
import { missingSnapshots } from './obsolete.js';
import type { RunSummary } from './runs.js';
import { objectsOf, type Found, type Sweeper } from './sweeper.js';

export interface RoomContext {
  readonly store: ObjectStore;
  readonly stored: StoredSnapshots;
  readonly runs: readonly RunSummary[];
  readonly sweeper: Sweeper;
}

/**
 * Does `work`. While the store is too full, removes objects of `expendable` one by one and tries again. Returns false if there
 * is no room even after all removals, or if the store refuses to remove.
 */
export async function withRoom(
  work: () => Promise<void>,
  expendable: AsyncIterable<Found>,
  { sweeper }: Pick<RoomContext, 'sweeper'>,
): Promise<boolean> {
  if (await hasRoomFor(work)) return true;
  for await (const object of expendable) {
    if (sweeper.timeIsUp()) return false;
    if ((await sweeper.remove(object)) && (await hasRoomFor(work))) return true;
  }
  return false;
}

/** Does the work; returns false if the store had no room. */
async function hasRoomFor(work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (isStoreFull(error)) return false;
    throw error;
  }
}

/**
 * Objects that are not needed at any age: everything but the records of runs that are over, and unfinished snapshots of such
 * runs. Their removal needs no record.
 */
export async function* listUnneeded({ stored, runs, store }: RoomContext): AsyncGenerator<Found> {
  const over = runs.filter((run) => run.over);
  for (const { id } of over) {
    for await (const { name, size } of store.list(`runs/${id}/`)) if (name !== runName(id)) yield { name, size };
  }
  const missing = new Set(missingSnapshots({ stored, runs }));
  const ended = new Set(over.map(({ id }) => id));
  for (const id of stored.bare) if (ended.has(id) && !missing.has(id)) yield* await objectsOf(store, id);
}

/**
 * The parts of a snapshot to be removed before its tombstone is written. Manifest and verification stay until the tombstone
 * exists: without the verification the next prune would keep the snapshot as unchecked.
 */
export async function* listParts(store: ObjectStore, id: string): AsyncGenerator<Found> {
  const found = await objectsOf(store, id);
  yield* found.filter(({ name }) => !name.endsWith('.json'));
}
