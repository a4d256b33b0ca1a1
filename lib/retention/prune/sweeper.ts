import pMap from 'p-map';
import { AppError } from '../../errors.js';
import type { Clock, ObjectStore } from '../../ports/index.js';
import { SNAPSHOTS_PREFIX } from '../../snapshot/names.js';
import { lateRemovalLease, NO_LATE_LEASE } from './late-lease.js';

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
export async function objectsOf(store: ObjectStore, id: string): Promise<Found[]> {
  const found: Found[] = [];
  for await (const { name, size } of store.list(`${SNAPSHOTS_PREFIX}${id}/`)) found.push({ name, size });
  return found;
}
