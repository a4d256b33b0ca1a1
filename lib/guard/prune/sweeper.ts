import pMap from 'p-map';
import { AppError } from '../../errors.js';
import type { Clock, ObjectStore } from '../../ports/index.js';
import type { Lease, LeaseTimes } from '../../runs/lease.js';
import { claimLease, releaseLease, renewLease } from '../../runs/lease.js';
import { newId } from '../../runs/ids.js';
import { PRUNE_LEASE } from '../../snapshot/standing.js';

/** Two prunes exclude each other, and a run that needs a snapshot takes the lease away from one that hangs. */
const TIMES: LeaseTimes = { legTtlMs: 60_000, holdMs: 60_000 };
const RENEW_MS = 15_000;
const REMOVALS_AT_A_TIME = 8;
const NAMED = 100;

export interface Found {
  readonly name: string;
  readonly size: number;
}

/** Removes objects under a lease, and counts. */
export interface Sweeper {
  readonly objects: number;
  readonly bytes: number;
  readonly denied: { readonly count: number; readonly names: readonly string[] };
  timeIsUp(): boolean;
  /** Makes sure that nobody has taken over. Throws `fenced`. */
  confirm(): Promise<void>;
  /** False when the store refuses. Any other failure is thrown. */
  remove(found: Found): Promise<boolean>;
  /** Removes several at a time; returns how many are gone. */
  removeAll(found: readonly Found[]): Promise<number>;
  close(): Promise<void>;
}

interface SweepPorts {
  readonly clock: Clock;
  readonly store: ObjectStore;
}

/** Throws `locked` when another prune is at work. A dry run takes no lease and only counts. */
export async function openSweeper(
  ports: SweepPorts,
  { dryRun, timeIsUp }: { readonly dryRun: boolean; readonly timeIsUp: () => boolean },
): Promise<Sweeper> {
  let lease = dryRun ? null : await takeLease(ports);
  let renewedAt = ports.clock.now();
  let renewing: Promise<void> = Promise.resolve();
  const names: string[] = [];
  let [objects, bytes, denied] = [0, 0, 0];

  const renew = async (): Promise<void> => {
    if (lease !== null) lease = await renewLease(ports, lease, TIMES);
    renewedAt = ports.clock.now();
  };
  // One at a time: each renewal needs the etag of the one before.
  const confirm = (): Promise<void> => {
    const turn = renewing.then(renew);
    renewing = turn.catch(() => undefined);
    return turn;
  };
  const remove = async ({ name, size }: Found): Promise<boolean> => {
    if (ports.clock.now() - renewedAt > RENEW_MS) await confirm();
    try {
      if (!dryRun) await ports.store.remove(name);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'store-denied') throw error;
      denied += 1;
      if (names.length < NAMED) names.push(name);
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
    confirm,
    remove,
    async removeAll(found) {
      const gone = await pMap(found, remove, { concurrency: REMOVALS_AT_A_TIME });
      return gone.filter(Boolean).length;
    },
    async close() {
      await renewing;
      if (lease !== null) await releaseLease(ports, lease);
    },
  };
}

async function takeLease(ports: SweepPorts): Promise<Lease> {
  const claim = await claimLease(ports, PRUNE_LEASE, newId(ports.clock.now()), TIMES);
  if (claim.granted) return claim.lease;
  throw new AppError('locked', 'Another prune is at work on this store', {
    hint: 'Wait until it is over. One that died gives way by itself after a minute.',
  });
}
