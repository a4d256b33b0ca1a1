import { AppError } from '../../errors.js';
import type { Clock, ObjectStore } from '../../ports/index.js';
import { leaseObject, readLease } from '../../runs/lease-document.js';
import { PRUNE_LEASE } from '../../snapshot/being-removed.js';
import { NO_LEASE, REMOVAL_TIMES, takeRemovalLease, type RemovalLease } from '../removal-lease.js';

interface Needs {
  readonly clock: Clock;
  readonly store: ObjectStore;
}

export function isStoreFull(error: unknown): error is AppError {
  return error instanceof AppError && error.code === 'store-full';
}

interface LateLease extends RemovalLease {
  /** Like `keep`, but throws `store-full` while the lease is not held. */
  keepHeld(): Promise<void>;
}

/**
 * The removal lease of a prune. A full store cannot hold the lease until something has been removed, so `keep` tries to take
 * it before each removal and allows the removal without it; `confirm` throws `store-full` while it is not held. Throws
 * `locked` while another process holds it.
 */
export async function lateRemovalLease(ports: Needs): Promise<LateLease> {
  let lease = await tryTake(ports);
  if (lease === null) await assertNotHeld(ports);
  let turn: Promise<unknown> = Promise.resolve();
  // One at a time: a second claim of this process would find the lease held.
  const takeIfRoom = (): Promise<RemovalLease | null> => {
    const next = turn.then(async () => (lease ??= await tryTake(ports)));
    turn = next.catch(() => undefined);
    return next;
  };
  const requireLease = async (): Promise<RemovalLease> => {
    const taken = await takeIfRoom();
    if (taken === null) throw stillFullError();
    return taken;
  };
  return {
    keep: async () => (await takeIfRoom())?.keep(),
    keepHeld: async () => (await requireLease()).keep(),
    confirm: async () => (await requireLease()).confirm(),
    async close() {
      await turn;
      await lease?.close();
    },
  };
}

/** For dry runs. */
export const NO_LATE_LEASE: LateLease = { ...NO_LEASE, keepHeld: () => Promise.resolve() };

async function tryTake(ports: Needs): Promise<RemovalLease | null> {
  try {
    return await takeRemovalLease(ports);
  } catch (error) {
    if (isStoreFull(error)) return null;
    throw error;
  }
}

/**
 * Measuring the age of a lease writes an object, which a full store rejects. Instead, the holder gets the time to renew the
 * lease.
 */
async function assertNotHeld({ clock, store }: Needs): Promise<void> {
  const before = await readLease(store, PRUNE_LEASE);
  if (!before.exists || before.document?.holder === null) return;
  await clock.sleep(REMOVAL_TIMES.holdMs);
  const after = await readLease(store, PRUNE_LEASE);
  if (after.etag === before.etag || after.document?.holder === null) return;
  throw new AppError('locked', `Another prune or replication renews the lease ${leaseObject(PRUNE_LEASE)}`, {
    hint: 'Wait until it is over, then try again.',
  });
}

export function stillFullError(cause?: AppError): AppError {
  const hint =
    'Raise the quota of the store, or keep fewer snapshots (RETENTION_KEEP_LAST and the other rules): `npx soulcaster-backup prune --dry-run --env-file .env` shows what each rule keeps.';
  return new AppError(
    'store-full',
    'The store is still full, and the retention policy allows no removal that makes room',
    {
      hint,
      cause,
    },
  );
}
