import { AppError } from '../errors.js';
import type { Clock, ObjectStore } from '../ports/index.js';
import { newId } from '../runs/ids.js';
import {
  claimLease,
  isLeaseUnchanged,
  releaseLease,
  renewLease,
  unlockCommand,
  type Lease,
  type LeaseTimes,
} from '../runs/lease.js';
import { monotonicNow } from '../runs/lease-watchdog.js';
import { PRUNE_LEASE } from '../snapshot/being-removed.js';

/** Two prunes exclude each other, and a run that needs a snapshot takes the lease away from one that hangs. */
export const REMOVAL_TIMES: LeaseTimes = { attemptTtlMs: 60_000, holdMs: 60_000 };
const RENEW_MS = 15_000;

/** The right to remove snapshots of one store, or to put some there that are not whole yet. */
export interface RemovalLease {
  /** Makes sure that nobody has taken over. Throws `fenced`. */
  confirm(): Promise<void>;
  /** The same, when that was some time ago. */
  keep(): Promise<void>;
  /** Gives it back. One that cannot be given back runs out by itself. */
  close(): Promise<void>;
}

/** Throws `locked` when somebody else has it. */
export async function takeRemovalLease(ports: {
  readonly clock: Clock;
  readonly store: ObjectStore;
}): Promise<RemovalLease> {
  const claim = await claimLease(ports, PRUNE_LEASE, newId(ports.clock.now()), REMOVAL_TIMES);
  if (!claim.granted) {
    const [age, wait] = [claim.ageMs, claim.waitMs].map((ms) => Math.ceil(ms / 1000));
    throw new AppError('locked', `Another prune or replication holds the lease of this store, renewed ${age} s ago`, {
      hint: `Wait until it is over. If it died, the lease can be taken in ${wait} s, or ended now: \`${unlockCommand(PRUNE_LEASE)}\`.`,
      retryAfterMs: claim.waitMs,
    });
  }
  let lease = claim.lease;
  let renewedAt = monotonicNow(ports.clock);
  let renewing: Promise<void> = Promise.resolve();
  const renew = async (): Promise<void> => {
    const now = monotonicNow(ports.clock);
    lease = await renewed(ports, lease);
    renewedAt = now;
  };
  // One at a time: each renewal needs the etag of the one before.
  const confirm = (): Promise<void> => {
    const turn = renewing.then(renew);
    renewing = turn.catch(() => undefined);
    return turn;
  };
  return {
    confirm,
    keep: () => (monotonicNow(ports.clock) - renewedAt > RENEW_MS ? confirm() : Promise.resolve()),
    async close() {
      await renewing;
      await releaseLease(ports, lease).catch(() => undefined);
    },
  };
}

/** What a full store does not let be renewed is still held as long as nobody else has written it. */
async function renewed(ports: { readonly clock: Clock; readonly store: ObjectStore }, lease: Lease): Promise<Lease> {
  try {
    return await renewLease(ports, lease, REMOVAL_TIMES);
  } catch (error) {
    if (error instanceof AppError && error.code === 'store-full' && (await isLeaseUnchanged(ports, lease)))
      return lease;
    throw error;
  }
}

/** For what only looks. */
export const NO_LEASE: RemovalLease = {
  confirm: () => Promise.resolve(),
  keep: () => Promise.resolve(),
  close: () => Promise.resolve(),
};
