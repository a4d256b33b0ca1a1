import { randomUUID } from 'node:crypto';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { ObjectStore } from '../../ports/store.js';
import { leaseObject, listLeases } from '../../runs/lease-document.js';
import { unlockCommand } from '../../runs/lease.js';
import { fail, ok, warn, type Check, type CheckGroup, type Observation } from '../doctor.js';
import { probeConditionalWrites } from '../probe-store.js';

/** A larger difference of clocks gets a warning. Listings contain times in whole seconds. */
const SKEW_MS = 10_000;
/** Number of leases to name. */
const MAX_NAMED = 5;

/**
 * Checks everything that runs need of the store, with objects under `probe/` that are removed again. `open` returns the store
 * without retries, which would hide its behaviour; `openSigned` returns the store that authenticates control state, to check
 * that leases can be read. Both may throw `config`.
 */
export function storeChecks(
  open: () => ObjectStore,
  where: string,
  clock: Clock,
  name: 'store' | 'replica' = 'store',
  openSigned: (() => ObjectStore) | null = null,
): CheckGroup {
  let opened: ObjectStore | null = null;
  const store = (): ObjectStore => (opened ??= open());
  return [
    { name, run: () => checkReach(store(), where) },
    { name: `${name}-writes`, run: () => checkWrites(store(), clock) },
    { name: `${name}-clock`, run: () => compareClocks(store(), clock) },
    ...(openSigned === null ? [] : [{ name: `${name}-leases`, run: () => checkLeases(openSigned) }]),
  ];
}

/**
 * Checks that the second store is another place: an object written to the first is searched for in it, since one place may have
 * two names. `open` returns null if the first is not configured correctly. `sharesBucket`: whether both are in one bucket.
 */
export function apartCheck(
  open: () => ObjectStore | null,
  openReplica: () => ObjectStore,
  sharesBucket: boolean,
): Check {
  const run = async (): Promise<Observation> => {
    const name = `probe/${randomUUID()}`;
    const first = open();
    const isWritten = await first?.create(name, Buffer.from(name)).then(
      () => true,
      // A failure of the first store is reported by its own checks.
      () => false,
    );
    if (first !== null && isWritten === true) {
      const copy = await readCopyAndRemove(openReplica(), first, name);
      if (copy !== null)
        return fail('it is the same place as BACKUP_STORE by another name: all copies are in one place', ELSEWHERE);
    }
    if (sharesBucket) return warn('it is in the same bucket as BACKUP_STORE and would be lost with it', ELSEWHERE);
    if (isWritten !== true) return { status: 'skipped', detail: 'not tried: the first store fails', hint: null };
    return ok('it is not the same place as BACKUP_STORE');
  };
  return { name: 'replica-apart', run };
}

const ELSEWHERE =
  'Set BACKUP_REPLICA_STORE to a bucket in another region, or of another provider, and run doctor again.';

async function checkReach(store: ObjectStore, where: string): Promise<Observation> {
  await store.read(`probe/${randomUUID()}`);
  return ok(`${where} answers and accepts the credentials`);
}

async function checkWrites(store: ObjectStore, clock: Clock): Promise<Observation> {
  await probeConditionalWrites(store, clock);
  return ok('creates only once, swaps by etag, lists and removes correctly');
}

/** A lease that cannot be read blocks every run that needs it. */
async function checkLeases(open: () => ObjectStore): Promise<Observation> {
  let store: ObjectStore;
  try {
    store = open();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'config') throw error;
    // The check of the keys reports an invalid key.
    return { status: 'skipped', detail: 'not tried: the keys are not usable', hint: null };
  }
  const leases = await listLeases(store);
  const unreadable = leases.filter(({ document }) => document === null).map(({ name }) => name);
  const [first] = unreadable;
  if (first === undefined) return ok(`all leases can be read (${leases.length})`);
  const names = unreadable.slice(0, MAX_NAMED).map(leaseObject).join(', ');
  return fail(
    `leases that cannot be read, so their holders are unknown: ${names}`,
    `If nothing is running: ${unlockCommand(first)}`,
  );
}

async function compareClocks(store: ObjectStore, clock: Clock): Promise<Observation> {
  const name = `probe/${randomUUID()}`;
  const from = clock.now();
  await store.create(name, Buffer.from(name));
  const to = clock.now();
  try {
    for await (const { name: found, modifiedAt } of store.list(name)) {
      if (found === name) return evaluateSkew(modifiedAt, from, to);
    }
  } finally {
    await store.remove(name);
  }
  return warn('the listing lacks an object that was just written', 'Use a store with strong consistency.');
}

function evaluateSkew(modifiedAt: number, from: number, to: number): Observation {
  const skew = modifiedAt < from ? from - modifiedAt : Math.max(0, modifiedAt - to);
  const text = `its clock and the clock here are ${Math.floor(skew / 1000)} s apart`;
  if (skew <= SKEW_MS) return ok(text);
  return warn(text, "Set this machine's clock with NTP: leases and the age of snapshots depend on it.");
}

/** Reads an object written to `other` from the store `from`, then removes it from `other`. */
async function readCopyAndRemove(from: ObjectStore, other: ObjectStore, name: string) {
  try {
    return await from.read(name);
  } finally {
    await other.remove(name);
  }
}
