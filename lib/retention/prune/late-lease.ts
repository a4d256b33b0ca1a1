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
  /** As `keep`, for what must not be done without it: throws `store-full` while it is not held. */
  keepHeld(): Promise<void>;
}

/**
 * The removal lease of a prune. A store that is full does not take it before something was removed, so `keep` tries for
 * it before each removal and lets the removal pass without; `confirm` throws `store-full` while it is not held. Throws
 * `locked` when somebody else has it.
 */
export async function lateRemovalLease(ports: Needs): Promise<LateLease> {
  let lease = await take(ports);
  if (lease === null) await demandNobody(ports);
  let turn: Promise<unknown> = Promise.resolve();
  // One at a time: the second claim of one process would find the lease held.
  const held = (): Promise<RemovalLease | null> => {
    const next = turn.then(async () => (lease ??= await take(ports)));
    turn = next.catch(() => undefined);
    return next;
  };
  const demanded = async (): Promise<RemovalLease> => {
    const now = await held();
    if (now === null) throw stillFull();
    return now;
  };
  return {
    keep: async () => (await held())?.keep(),
    keepHeld: async () => (await demanded()).keep(),
    confirm: async () => (await demanded()).confirm(),
    async close() {
      await turn;
      await lease?.close();
    },
  };
}

/** For what only reads. */
export const NO_LATE_LEASE: LateLease = { ...NO_LEASE, keepHeld: () => Promise.resolve() };

async function take(ports: Needs): Promise<RemovalLease | null> {
  try {
    return await takeRemovalLease(ports);
  } catch (error) {
    if (isStoreFull(error)) return null;
    throw error;
  }
}

/**
 * The age of a lease is measured by an object that is written, which a full store does not take. So whoever holds it is
 * given the time to renew it instead.
 */
async function demandNobody({ clock, store }: Needs): Promise<void> {
  const before = await readLease(store, PRUNE_LEASE);
  if (!before.exists || before.document?.holder === null) return;
  await clock.sleep(REMOVAL_TIMES.holdMs);
  const after = await readLease(store, PRUNE_LEASE);
  if (after.etag === before.etag || after.document?.holder === null) return;
  throw new AppError('locked', `Another prune or replication renews the lease ${leaseObject(PRUNE_LEASE)}`, {
    hint: 'Wait until it is over, then start again.',
  });
}

export function stillFull(cause?: AppError): AppError {
  const hint =
    'Raise the quota of the store, or keep fewer snapshots (RETENTION_KEEP_LAST and the others): `npx soulcaster-backup prune --dry-run --env-file .env` shows what each keeps.';
  return new AppError('store-full', 'The store is still full, and the policy lets nothing go that would make room', {
    hint,
    cause,
  });
}
