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
 * Does `work`, and while the store is too full for it removes `spare` first, object by object. False when it is full
 * still although all is removed, or when the store refuses to remove.
 */
export async function withRoom(
  work: () => Promise<void>,
  spare: AsyncIterable<Found>,
  { sweeper }: Pick<RoomContext, 'sweeper'>,
): Promise<boolean> {
  if (await fits(work)) return true;
  for await (const object of spare) {
    if (sweeper.timeIsUp()) return false;
    if ((await sweeper.remove(object)) && (await fits(work))) return true;
  }
  return false;
}

/** Whether there was room for it. */
async function fits(work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (isStoreFull(error)) return false;
    throw error;
  }
}

/**
 * What nothing needs, whatever its age: everything beside the records of runs that are over, and what such runs stored
 * of snapshots that they did not complete. To remove it takes no record of that.
 */
export async function* unneeded({ stored: stored, runs, store }: RoomContext): AsyncGenerator<Found> {
  const over = runs.filter((run) => run.over);
  for (const { id } of over) {
    for await (const { name, size } of store.list(`runs/${id}/`)) if (name !== runName(id)) yield { name, size };
  }
  const missing = new Set(missingSnapshots({ stored: stored, runs }));
  const ended = new Set(over.map(({ id }) => id));
  for (const id of stored.bare) if (ended.has(id) && !missing.has(id)) yield* await objectsOf(store, id);
}

/**
 * The parts of a snapshot that goes, before its tombstone is there. Its manifest stays until the tombstone explains that
 * it is gone, and so does its verification: without it the next prune would keep the snapshot as one that nobody checked.
 */
export async function* partsOf(store: ObjectStore, id: string): AsyncGenerator<Found> {
  const found = await objectsOf(store, id);
  yield* found.filter(({ name }) => !name.endsWith('.json'));
}
