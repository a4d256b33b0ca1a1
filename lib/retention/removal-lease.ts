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
import { monotonicNow } from '../runs/attempt.js';
import { PRUNE_LEASE } from '../snapshot/tombstone.js';
import { leaseObject, readLease } from '../runs/lease-document.js';

/** Two prunes exclude each other; a run that needs a snapshot takes the lease over from a prune that hangs. */
const REMOVAL_TIMES: LeaseTimes = { attemptTtlMs: 60_000, holdMs: 60_000 };
const RENEW_MS = 15_000;

/** The right to remove snapshots from a store, or to write incomplete ones into it. */
export interface RemovalLease {
  /** Renews the lease. Throws `fenced` if another process has taken it over. */
  confirm(): Promise<void>;
  /** Renews the lease if the last renewal was some time ago. */
  keep(): Promise<void>;
  /** Releases the lease; if that fails, the lease expires by itself. */
  close(): Promise<void>;
}

/** Throws `locked` while another process holds the lease. */
export async function takeRemovalLease(ports: Needs): Promise<RemovalLease> {
  const claim = await claimLease(ports, PRUNE_LEASE, newId(ports.clock.now()), REMOVAL_TIMES);
  if (!claim.granted) {
    const [age, wait] = [claim.ageMs, claim.waitMs].map((ms) => Math.ceil(ms / 1000));
    throw new AppError('locked', `Another prune or replication holds the lease of this store, renewed ${age} s ago`, {
      hint: `Wait until it is over. If it died, the lease expires in ${wait} s; to remove the lease now: \`${unlockCommand(PRUNE_LEASE, ports.store.isSecond)}\`.`,
      retryAfterMs: claim.waitMs,
    });
  }
  let lease = claim.lease;
  let renewedAt = monotonicNow(ports.clock);
  let renewing: Promise<void> = Promise.resolve();
  const renew = async (): Promise<void> => {
    const now = monotonicNow(ports.clock);
    lease = await renewOrKeep(ports, lease);
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

/** A full store rejects the renewal; the lease is still held as long as no other process has written it. */
async function renewOrKeep(
  ports: { readonly clock: Clock; readonly store: ObjectStore },
  lease: Lease,
): Promise<Lease> {
  try {
    return await renewLease(ports, lease, REMOVAL_TIMES);
  } catch (error) {
    if (error instanceof AppError && error.code === 'store-full' && (await isLeaseUnchanged(ports, lease)))
      return lease;
    throw error;
  }
}

/** For dry runs. */
export const NO_LEASE: RemovalLease = {
  confirm: () => Promise.resolve(),
  keep: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

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
    if (taken === null) throw stillFullError(ports.store);
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

export function stillFullError({ isSecond }: Pick<ObjectStore, 'isSecond'>, cause?: AppError): AppError {
  const [store, option] = isSecond === true ? ['second store', ' --replica'] : ['store', ''];
  const hint = `Raise the quota of the ${store}, or keep fewer snapshots (RETENTION_KEEP_LAST and the other rules): \`npx soulcaster-backup prune --dry-run${option} --env-file .env\` shows what each rule keeps.`;
  return new AppError(
    'store-full',
    `The ${store} is still full, and the retention policy allows no removal that makes room`,
    {
      hint,
      cause,
    },
  );
}
