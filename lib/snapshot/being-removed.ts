import { AppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { claimLease, releaseLease } from '../runs/lease.js';
import { tombstoneName } from './tombstone.js';

/** Held by whoever removes snapshots. */
export const PRUNE_LEASE = 'prune';

const BRIEFLY = { attemptTtlMs: 10_000, holdMs: 10_000 };

/**
 * Makes sure that a snapshot which run `run` needs is not removed under it. The run's record, which names the snapshot,
 * must have been written before. Whoever removes does it the other way round: writes the tombstone, then looks at the
 * runs, then renews its lease and removes; so one of the two sees the other. A tombstone alone may be what a prune left
 * that was broken off: then its lease can be had, and to have had it fences that prune off. Throws `locked`.
 */
export async function assertNotBeingRemoved(
  ports: Pick<Ports, 'clock' | 'store'>,
  run: string,
  id: string,
): Promise<void> {
  if ((await ports.store.read(tombstoneName(id))) === null) return;
  const claim = await claimLease(ports, PRUNE_LEASE, run, BRIEFLY);
  if (claim.granted) return releaseLease(ports, claim.lease);
  throw new AppError('locked', `Snapshot ${id} is being removed just now`, {
    hint: 'Wait a minute and start again; if it is then no longer listed, take another one.',
  });
}
