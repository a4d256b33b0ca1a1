import { AppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { claimLease, releaseLease } from '../runs/lease.js';
import { tombstoneName } from './tombstone.js';

/** The lease of processes that remove snapshots. */
export const PRUNE_LEASE = 'prune';

const BRIEFLY = { attemptTtlMs: 10_000, holdMs: 10_000 };

/**
 * Asserts that a snapshot which run `run` needs is not being removed. The run's record, which names the snapshot, must have
 * been written before. A prune proceeds in the opposite order: it writes the tombstone, then reads the runs, then renews its
 * lease and removes; so one of the two detects the other. A tombstone alone may be left by an interrupted prune: then its
 * lease is free, and claiming it fences off that prune. Throws `locked`.
 */
export async function assertNotBeingRemoved(
  ports: Pick<Ports, 'clock' | 'store'>,
  run: string,
  id: string,
): Promise<void> {
  if ((await ports.store.read(tombstoneName(id))) === null) return;
  const claim = await claimLease(ports, PRUNE_LEASE, run, BRIEFLY);
  if (claim.granted) return releaseLease(ports, claim.lease);
  throw new AppError('locked', `Snapshot ${id} is being removed`, {
    hint: 'Wait a minute and try again. If the snapshot is no longer listed then, use another one.',
  });
}
