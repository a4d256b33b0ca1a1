import pMap from 'p-map';
import { AppError } from '../../errors.js';
import type { Clock, ObjectStore } from '../../ports/index.js';
import { SNAPSHOTS_PREFIX } from '../../snapshot/names.js';
import { lateRemovalLease, NO_LATE_LEASE, isStoreFull } from '../removal-lease.js';
import { runName } from '../../runs/records.js';
import { type StoredSnapshots, type RunSummary, missingSnapshots } from '../stored.js';

const REMOVALS_AT_A_TIME = 8;
const MAX_NAMED = 100;

export interface Found {
  readonly name: string;
  readonly size: number;
}

/** Removes objects under a lease, and counts them. */
export interface Sweeper {
  readonly objects: number;
  readonly bytes: number;
  readonly denied: { readonly count: number; readonly names: readonly string[] };
  timeIsUp(): boolean;
  /** Renews the lease. Throws `fenced` if another process has taken it over. */
  confirm(): Promise<void>;
  /** Renews the lease if the last renewal was some time ago. Throws `store-full` while the store has no room for the lease. */
  keep(): Promise<void>;
  /** Returns false if the store refuses; throws any other failure. */
  remove(found: Found): Promise<boolean>;
  /** Removes several objects concurrently; returns the number removed. */
  removeAll(found: readonly Found[]): Promise<number>;
  close(): Promise<void>;
}

/** Throws `locked` while another prune is active. In a full store the lease is taken later; a dry run takes none and only counts. */
export async function openSweeper(
  ports: { readonly clock: Clock; readonly store: ObjectStore },
  { dryRun, timeIsUp }: { readonly dryRun: boolean; readonly timeIsUp: () => boolean },
): Promise<Sweeper> {
  const lease = dryRun ? NO_LATE_LEASE : await lateRemovalLease(ports);
  const names: string[] = [];
  let [objects, bytes, denied] = [0, 0, 0];
  const remove = async ({ name, size }: Found): Promise<boolean> => {
    await lease.keep();
    try {
      if (!dryRun) await ports.store.remove(name);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'store-denied') throw error;
      denied += 1;
      if (names.length < MAX_NAMED) names.push(name);
      return false;
    }
    objects += 1;
    bytes += size;
    return true;
  };
  return {
    get objects() {
      return objects;
    },
    get bytes() {
      return bytes;
    },
    get denied() {
      return { count: denied, names: [...names] };
    },
    timeIsUp,
    confirm: () => lease.confirm(),
    keep: () => lease.keepHeld(),
    remove,
    async removeAll(found) {
      const gone = await pMap(found, remove, { concurrency: REMOVALS_AT_A_TIME });
      return gone.filter(Boolean).length;
    },
    close: () => lease.close(),
  };
}

/** All objects of a snapshot. */
export function objectsOf(store: ObjectStore, id: string): Promise<Found[]> {
  return listObjects(store, `${SNAPSHOTS_PREFIX}${id}/`);
}

export async function listObjects(store: ObjectStore, prefix: string): Promise<Found[]> {
  const found: Found[] = [];
  for await (const { name, size } of store.list(prefix)) found.push({ name, size });
  return found;
}

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
