import { randomUUID } from 'node:crypto';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { ObjectStore } from '../../ports/store.js';
import { leaseObject, listLeases } from '../../runs/lease-document.js';
import { unlockCommand } from '../../runs/lease.js';
import { fail, ok, warn, type Check, type CheckGroup, type Observation } from '../doctor.js';
import { probeConditionalWrites } from '../probe-store.js';

/** A difference of clocks above it, in milliseconds, is worth a warning. Listings tell times in whole seconds. */
const SKEW_MS = 10_000;
/** How many leases are named. */
const MOST_NAMED = 5;

/**
 * All that runs rely on in the store, on objects under `probe/` that are removed again. `open` gives the store without
 * retries, which would hide what it does, `openSigned` the one that authenticates control state, for whether leases can
 * be read; they may throw `config`.
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
    { name, run: () => reach(store(), where) },
    { name: `${name}-writes`, run: () => prove(store(), clock) },
    { name: `${name}-clock`, run: () => compareClocks(store(), clock) },
    ...(openSigned === null ? [] : [{ name: `${name}-leases`, run: () => readLeases(openSigned) }]),
  ];
}

/**
 * Whether the second store is another one: what is written to the first is looked for in it, since one place may have two
 * names. `open` gives null where the first is not well configured. `sharesBucket`: whether both are in one bucket.
 */
export function apartCheck(
  open: () => ObjectStore | null,
  openReplica: () => ObjectStore,
  sharesBucket: boolean,
): Check {
  const look = async (): Promise<Observation> => {
    const name = `probe/${randomUUID()}`;
    const first = open();
    const isWritten = await first?.create(name, Buffer.from(name)).then(
      () => true,
      // The first store has separate checks.
      () => false,
    );
    if (first !== null && isWritten === true) {
      const seen = await readAndRemove(openReplica(), first, name);
      if (seen !== null)
        return fail('it is the same place as BACKUP_STORE, by another name: all copies are in one place', ELSEWHERE);
    }
    if (sharesBucket) return warn('it is in the same bucket as BACKUP_STORE, and goes with it', ELSEWHERE);
    if (isWritten !== true) return { status: 'skipped', detail: 'not tried, since the first store fails', hint: null };
    return ok('it is another place than BACKUP_STORE');
  };
  return { name: 'replica-apart', run: look };
}

const ELSEWHERE =
  'Set BACKUP_REPLICA_STORE to a bucket in another region, or of another provider, and run doctor again.';

async function reach(store: ObjectStore, where: string): Promise<Observation> {
  await store.read(`probe/${randomUUID()}`);
  return ok(`${where} is reached and accepts the credentials`);
}

async function prove(store: ObjectStore, clock: Clock): Promise<Observation> {
  await probeConditionalWrites(store, clock);
  return ok('writes once, swaps by etag, lists and removes, as runs rely on');
}

/** A lease that cannot be read keeps every run that needs it waiting. */
async function readLeases(open: () => ObjectStore): Promise<Observation> {
  let store: ObjectStore;
  try {
    store = open();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'config') throw error;
    // A key that is none is named by the check of the keys.
    return { status: 'skipped', detail: 'not tried, since the keys are not usable', hint: null };
  }
  const leases = await listLeases(store);
  const odd = leases.filter(({ document }) => document === null).map(({ name }) => name);
  const [first] = odd;
  if (first === undefined) return ok(`all leases can be read (${leases.length})`);
  const names = odd.slice(0, MOST_NAMED).map(leaseObject).join(', ');
  return fail(
    `not known who holds what, since it cannot be read: ${names}`,
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
      if (found === name) return evaluate(modifiedAt, from, to);
    }
  } finally {
    await store.remove(name);
  }
  return warn('the listing lacks an object that was just written', 'Use a store with strong consistency.');
}

function evaluate(modifiedAt: number, from: number, to: number): Observation {
  const skew = modifiedAt < from ? from - modifiedAt : Math.max(0, modifiedAt - to);
  const text = `its clock and ours are ${Math.floor(skew / 1000)} s apart`;
  if (skew <= SKEW_MS) return ok(text);
  return warn(text, "Set this machine's clock with NTP: leases and the age of snapshots go by it.");
}

/** What one store shows of an object of the other, which is then removed from there. */
async function readAndRemove(from: ObjectStore, other: ObjectStore, name: string) {
  try {
    return await from.read(name);
  } finally {
    await other.remove(name);
  }
}
