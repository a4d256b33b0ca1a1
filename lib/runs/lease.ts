import { randomUUID } from 'node:crypto';
import { AppError } from '../errors.js';
import { encodeJson } from '../json.js';
import type { ObjectStore, Ports } from '../ports/index.js';
import { traitsOf } from '../run-kinds.js';
import { isId } from './ids.js';
import { ageOf, leaseObject, readLease, type LeaseDocument, type ReadLease } from './lease-document.js';
import { isOver } from './model.js';
import { recentRuns, runsOf } from './recent.js';
import { runName } from './records.js';

type Needs = Pick<Ports, 'clock' | 'store'>;

export interface LeaseTimes {
  /** An attempt that has not renewed for this long counts as dead, in milliseconds. */
  readonly attemptTtlMs: number;
  /** A run that has not renewed for this long may be displaced by another, in milliseconds. */
  readonly holdMs: number;
}

/** A lease as one attempt holds it. */
export interface Lease {
  readonly name: string;
  readonly document: LeaseDocument;
  readonly etag: string;
}

/** Who holds a lease that another run needs. Times in milliseconds, by the store's clock. */
export interface Held {
  readonly holder: string;
  readonly lease: string;
  /** How long ago the holder last renewed the lease. */
  readonly ageMs: number;
  /** In how long the lease can be taken, unless the holder renews it. */
  readonly waitMs: number;
  /** The source of the holder's database, where that is another than the one that is protected here; else absent. */
  readonly otherSource?: string;
}

export type Claim =
  | { readonly granted: true; readonly lease: Lease; readonly displaced: string | null }
  /** Held by another run, or (`ownRun`) by another attempt of the same run. */
  | ({ readonly granted: false; readonly ownRun: boolean } & Held);

const ATTEMPTS = 8;
/** The longest wait for a holder without a record, such as one that died before it wrote the record. */
const UNRECORDED_MS = 15 * 60_000;
/** The longest wait for any run without a renewal, whatever the document says: waiting for a quota takes at most a day. */
const MAX_HOLD_MS = 26 * 3_600_000;
/** How many runs are read for the highest fencing number when the lease is missing or unreadable. */
const RUNS_READ = 50;

/**
 * Takes a lease for an attempt of run `holder`. It is granted when it is free, when the same run holds it and no attempt
 * is alive, and when its holder has not renewed it for as long as its document allows. Ages are measured by the store's
 * clock alone: the clocks of two machines are never compared. Every grant has a higher fencing number than all before
 * (Kleppmann, "How to do distributed locking", 2016). `displaced` names the run whose lease expired.
 *
 * A lease that cannot be read is taken once it has been unchanged for `patienceMs` (default: `times.holdMs`); until then
 * `locked` is thrown, which names the object.
 */
export async function claimLease(
  ports: Needs,
  name: string,
  holder: string,
  times: LeaseTimes,
  patienceMs = times.holdMs,
): Promise<Claim> {
  const { store } = ports;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const current = await readLease(store, name);
    const refusal = await checkClaim(ports, name, current, holder, patienceMs);
    if (refusal === 'changed') continue;
    if (refusal !== null) return refusal;
    const { fence, series = randomUUID() } = current.document ?? (await highestFence(store, name));
    const document = { holder, leg: randomUUID(), fence: fence + 1, series, ...renewalFields(times) };
    const etag = await write(store, name, document, current.etag);
    if (etag !== null) {
      const before = current.document?.holder ?? null;
      return { granted: true, lease: { name, document, etag }, displaced: before === holder ? null : before };
    }
  }
  throw tooManyChangesError(name);
}

/** Renews the lease. Throws `fenced` when it has been taken over. */
export async function renewLease(ports: Needs, lease: Lease, times: LeaseTimes): Promise<Lease> {
  return replace(ports.store, lease, { ...lease.document, ...renewalFields(times) });
}

/** Whether the lease is still as this holder last wrote it. */
export async function isLeaseUnchanged({ store }: Needs, lease: Lease): Promise<boolean> {
  return (await store.read(leaseObject(lease.name)))?.etag === lease.etag;
}

/** Whether the attempt that was granted the lease still has it, renewed or not. */
export async function isHeldByAttempt({ store }: Needs, { name, document }: Lease): Promise<boolean> {
  return (await readLease(store, name)).document?.leg === document.leg;
}

/** Ends an attempt's work; the run keeps the lease for its next attempt to take. */
export async function handOverLease(ports: Needs, lease: Lease, times: LeaseTimes): Promise<Lease> {
  return replace(ports.store, lease, { ...lease.document, leg: null, ...renewalFields(times) });
}

/** Frees a lease, unless it has been taken over in the meantime. */
export async function releaseLease({ store }: Needs, lease: Lease): Promise<void> {
  await write(store, lease.name, freedDocument(lease.document), lease.etag);
}

/** Frees a run's lease, whichever attempt holds it: a run that is over must not keep others waiting. */
export async function freeLease({ store }: Needs, name: string, holder: string): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const { document, etag } = await readLease(store, name);
    if (document?.holder !== holder) return;
    if ((await write(store, name, freedDocument(document), etag)) !== null) return;
  }
}

/** Ends a lease, whatever its holder and whether it can be read or not. False when it is free or missing. */
export async function endLease({ store }: Needs, name: string): Promise<boolean> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const { document, etag, exists } = await readLease(store, name);
    if (!exists || document?.holder === null) return false;
    const { fence, series } = document ?? (await highestFence(store, name));
    const count = series === undefined ? { fence } : { fence, series };
    const free = { holder: null, leg: null, ...count, ...renewalFields({ attemptTtlMs: 0, holdMs: 0 }) };
    if ((await write(store, name, free, etag)) !== null) return true;
  }
  throw tooManyChangesError(name);
}

/** When this process last renewed a lease, by store and name: saves needless renewals. */
const lastRenewals = new WeakMap<ObjectStore, Map<string, { readonly beat: string; readonly at: number }>>();

/**
 * Renews a lease that its run holds between attempts, so that it does not expire while tasks are in progress. False when
 * the run does not hold it.
 */
export async function keepLease(ports: Needs, name: string, holder: string, times: LeaseTimes): Promise<boolean> {
  const { clock, store } = ports;
  const { document, etag } = await readLease(store, name);
  // An unreadable lease may be the altered lease of this run.
  if (document === null) return true;
  if (document.holder !== holder) return false;
  if (document.leg !== null) return true;
  const renewals = lastRenewals.get(store) ?? new Map<string, { beat: string; at: number }>();
  lastRenewals.set(store, renewals);
  const last = renewals.get(name);
  const isLongEnough = document.holdMs >= times.holdMs;
  if (isLongEnough && last?.beat === document.beat && Math.abs(clock.now() - last.at) < times.holdMs / 4) return true;
  const next = { ...document, ...renewalFields(times) };
  if ((await write(store, name, next, etag)) !== null) renewals.set(name, { beat: next.beat, at: clock.now() });
  return true;
}

function renewalFields({ attemptTtlMs, holdMs }: LeaseTimes): Pick<LeaseDocument, 'legTtlMs' | 'holdMs' | 'beat'> {
  return { legTtlMs: attemptTtlMs, holdMs, beat: randomUUID() };
}

function freedDocument(document: LeaseDocument): LeaseDocument {
  return { ...document, holder: null, leg: null, beat: randomUUID() };
}

/** Null when the claim may proceed, else the refusal; `changed` when the lease must be read again. */
async function checkClaim(
  { store }: Needs,
  name: string,
  { document, exists }: ReadLease,
  claimant: string,
  patienceMs: number,
): Promise<Claim | 'changed' | null> {
  if (!exists || document?.holder === null) return null;
  if (document === null) {
    const age = await ageOf(store, leaseObject(name));
    if (age === null) return 'changed';
    if (age >= patienceMs) return null;
    throw unreadableLeaseError(name, patienceMs - age, store);
  }
  const { holder, leg: attempt } = document;
  const ownRun = holder === claimant;
  if (ownRun && attempt === null) return null;
  const limit = ownRun ? document.legTtlMs : await takeoverLimitOf(store, document, holder);
  if (limit <= 0) return null;
  const ageMs = await ageOf(store, leaseObject(name));
  if (ageMs === null) return 'changed';
  return ageMs >= limit ? null : { granted: false, ownRun, holder, lease: name, ageMs, waitMs: limit - ageMs };
}

/** How long after its last renewal the lease of another run can be taken, in milliseconds. */
async function takeoverLimitOf(store: ObjectStore, { holdMs }: LeaseDocument, holder: string): Promise<number> {
  const [run] = await runsOf(store, [holder]);
  // A process may die after it ends its run and before it frees the lease.
  if (run !== undefined) return isOver(run) ? 0 : Math.min(holdMs, MAX_HOLD_MS);
  const isRecorded = isId(holder) && (await store.read(runName(holder))) !== null;
  return Math.min(holdMs, isRecorded ? MAX_HOLD_MS : UNRECORDED_MS);
}

/** Where the count of a lease continues that says nothing itself; a new count where no run record that is believed tells. */
async function highestFence(store: ObjectStore, name: string): Promise<Pick<LeaseDocument, 'fence' | 'series'>> {
  const runs = await recentRuns(store, { since: 0, limit: RUNS_READ });
  const fence = Math.max(0, ...runs.map((run) => run.fence));
  const own = runs.filter(({ lease }) => lease === name);
  const series = own.sort((a, b) => b.fence - a.fence)[0]?.series ?? null;
  return series === null ? { fence } : { fence, series };
}

/** The command that ends a lease. `replica`: of the second store. */
export function unlockCommand(name: string, replica = false): string {
  return `npx soulcaster-backup unlock ${name} --yes${replica ? ' --replica' : ''} --env-file .env`;
}

function unreadableLeaseError(name: string, waitMs: number, { isSecond }: ObjectStore): AppError {
  const seconds = Math.ceil(waitMs / 1000);
  return new AppError('locked', `The lease ${leaseObject(name)} cannot be read, so it is not known who holds it`, {
    hint: `If nothing is running, end it: \`${unlockCommand(name, isSecond)}\`. Otherwise wait: if it is not changed, it can be taken in ${seconds} s.`,
    retryAfterMs: waitMs,
  });
}

function tooManyChangesError(name: string): AppError {
  return new AppError('busy', `The lease ${name} was changed ${ATTEMPTS} times while it was being written`, {
    hint: 'Try again.',
    transient: true,
  });
}

async function replace(store: ObjectStore, lease: Lease, document: LeaseDocument): Promise<Lease> {
  const etag = await write(store, lease.name, document, lease.etag);
  if (etag !== null) return { name: lease.name, document, etag };
  throw new AppError('fenced', `The lease ${lease.name} has been taken over`, {
    hint: 'Nothing to do: the attempt that took over continues the work.',
  });
}

async function write(
  store: ObjectStore,
  name: string,
  document: LeaseDocument,
  etag: string | null,
): Promise<string | null> {
  const body = encodeJson(document);
  if (etag !== null) return store.swap(leaseObject(name), body, etag);
  const outcome = await store.create(leaseObject(name), body);
  return outcome.created ? outcome.etag : null;
}

/** `another database (source 1a2b3c4d)` */
export function otherDatabaseWords(source: string): string {
  return `another database (source ${source.slice(0, 8)})`;
}

/** How two databases with one store take snapshots at the same time. */
export const PREFIX_HINT = 'For runs at the same time, give each database another prefix in BACKUP_STORE.';

/**
 * Names the holder, its phase, its last renewal, when the lease can be taken, and how to end it, unless it is a run of another
 * database.
 */
export async function leaseHeldError(store: ObjectStore, held: Held, then = 'start again'): Promise<AppError> {
  const { holder, lease, ageMs, otherSource, waitMs } = held;
  const replica = store.isSecond === true;
  const [run] = await runsOf(store, [holder]).catch(() => []);
  const whose = otherSource === undefined ? '' : ` of ${otherDatabaseWords(otherSource)}`;
  const who = run === undefined ? holder : `run ${holder}, a ${traitsOf(run.kind).title}${whose} (${run.phase})`;
  const end =
    run === undefined
      ? `\`${unlockCommand(lease, replica)}\``
      : `\`npx soulcaster-backup cancel ${holder}${replica ? ' --replica' : ''} --env-file .env\`, or \`${unlockCommand(lease, replica)}\` if nothing works on it`;
  return new AppError('locked', `The lease ${lease} is held by ${who}, last renewed ${seconds(ageMs)} ago`, {
    hint: `Wait until it is over, then ${then}; if the lease is not renewed, it can be taken in ${seconds(waitMs)}. ${otherSource === undefined ? `To end it now: ${end}.` : PREFIX_HINT}`,
    retryAfterMs: waitMs,
  });
}

function seconds(ms: number): string {
  return ms < 120_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.ceil(ms / 60_000)} min`;
}
