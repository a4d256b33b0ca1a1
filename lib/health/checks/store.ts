import { randomUUID } from 'node:crypto';
import { AppError } from '../../errors.js';
import { ignoredObjectsIn } from '../../control/authenticated-store.js';
import type { Clock } from '../../ports/clock.js';
import type { ObjectStore } from '../../ports/store.js';
import { leaseObject, listLeases } from '../../runs/lease-document.js';
import { unlockCommand } from '../../runs/lease.js';
import { fail, ok, skipped, warn, type Check, type CheckGroup, type Observation } from '../doctor.js';

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
    if (isWritten !== true) return skipped('not tried: the first store fails');
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
    return skipped('not tried: the keys are not usable');
  }
  const leases = await listLeases(store);
  const unreadable = leases.filter(({ document }) => document === null).map(({ name }) => name);
  const [first] = unreadable;
  if (first === undefined) return ok(`all leases can be read (${leases.length})`);
  const isUnproven = ignoredObjectsIn(store).some(({ object, why }) => {
    return object === leaseObject(first) && (why === 'forged' || why === 'unsigned');
  });
  const names = unreadable.slice(0, MAX_NAMED).map(leaseObject).join(', ');
  return fail(
    `leases that cannot be read, so their holders are unknown: ${names}`,
    isUnproven
      ? `Correct what the check signature reports first: with the key of the deployment its leases can be read. If its keys are right and nothing is running: ${unlockCommand(first)}`
      : `If nothing is running: ${unlockCommand(first)}`,
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

/**
 * Proves with a small object under `probe/`, which is then removed, that the store keeps the guarantees that runs rely on.
 * Throws `store-unsafe` with the broken guarantee; if the store cannot be used, throws the adapter's error.
 */
export async function probeConditionalWrites(store: ObjectStore, clock: Clock): Promise<void> {
  const name = `probe/${clock.now().toString(36)}-${randomUUID()}`;
  try {
    await probe(store, name);
  } catch (error) {
    // The first error is the one that matters to the operator.
    await store.remove(name).catch(() => undefined);
    throw error;
  }
}

async function probe(store: ObjectStore, name: string): Promise<void> {
  const first = Buffer.from(`first ${name}`);
  const second = Buffer.from(`second ${name}`);
  const created = await store.create(name, first);
  if (!created.created) throw unsafeError('reports that a new name is already taken');

  const again = await store.create(name, second);
  if (again.created) throw unsafeError('lets a second writer overwrite an existing object (If-None-Match)');
  if (!(await hasBody(store, name, first))) throw unsafeError('does not return the bytes that were written');

  const etag = await store.swap(name, second, created.etag);
  if (etag === null) throw unsafeError('refuses to replace an object although its etag is current (If-Match)');
  if ((await store.swap(name, Buffer.from(`third ${name}`), created.etag)) !== null) {
    throw unsafeError('replaces an object although its etag is out of date (If-Match)');
  }
  if (!(await hasBody(store, name, second))) throw unsafeError('does not return the bytes that were written');

  if (!(await isListed(store, name))) throw unsafeError('does not list an object that was just written');
  await store.remove(name);
  if ((await store.read(name)) !== null) throw unsafeError('still returns an object that was removed');
}

async function hasBody(store: ObjectStore, name: string, body: Buffer): Promise<boolean> {
  return (await store.read(name))?.body.equals(body) ?? false;
}

async function isListed(store: ObjectStore, name: string): Promise<boolean> {
  for await (const object of store.list(name)) if (object.name === name) return true;
  return false;
}

function unsafeError(what: string): AppError {
  return new AppError('store-unsafe', `The object store ${what}`, {
    hint: 'Use a store with conditional writes and strong consistency: AWS S3, Cloudflare R2, Ceph, MinIO, or a local folder.',
  });
}
