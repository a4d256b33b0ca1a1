import { randomUUID } from 'node:crypto';
import { AppError } from '../errors.js';
import { encodeJson } from '../json.js';
import type { ObjectStore, Ports } from '../ports/index.js';
import { isId } from './ids.js';
import { leaseObject, readLease, type LeaseDocument, type ReadLease } from './lease-document.js';
import { isOver } from './model.js';
import { recentRuns, runsOf } from './recent.js';
import { runName } from './records.js';
import { ageOf } from './store-time.js';

type Needs = Pick<Ports, 'clock' | 'store'>;

export interface LeaseTimes {
  /** An attempt that has not been heard of for so long counts as dead, in milliseconds. */
  readonly attemptTtlMs: number;
  /** A run that has not been heard of for so long may be displaced by another, in milliseconds. */
  readonly holdMs: number;
}

/** A lease in the hands of one attempt. */
export interface Lease {
  readonly name: string;
  readonly document: LeaseDocument;
  readonly etag: string;
}

export type Claim =
  | { readonly granted: true; readonly lease: Lease; readonly displaced: string | null }
  /** Somebody else holds it: another run, or (`ownRun`) another attempt of the same one. Times in milliseconds. */
  | {
      readonly granted: false;
      readonly holder: string;
      readonly ownRun: boolean;
      /** How long ago it was last renewed. */
      readonly ageMs: number;
      /** When it can be taken, unless it is renewed. */
      readonly waitMs: number;
    };

const ATTEMPTS = 8;
/** A holder that has no record, such as one that died before it wrote it, is waited for no longer. */
const UNRECORDED_MS = 15 * 60_000;
/** No run keeps its lease longer without a sign of life, whatever the document says: a quota is waited out in a day. */
const LONGEST_MS = 26 * 3_600_000;
/** Runs that are read for the highest fencing number when a lease itself says nothing. */
const RUNS_READ = 50;

/**
 * Takes a lease for an attempt of run `holder`. It is granted when it is free, when the same run holds it and no attempt
 * is alive, and when nothing was heard of its holder for the holder's own times. Ages are measured by the store's clock
 * alone: the clocks of two machines are never compared. Every grant has a higher fencing number than all before
 * (Kleppmann, "How to do distributed locking", 2016). `displaced` names the run that let its time run out.
 *
 * A lease that cannot be read is taken once it has stood unchanged for `patienceMs` (default: `times.holdMs`); until then
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
    const refusal = await refuse(store, name, current, holder, patienceMs);
    if (refusal === 'changed') continue;
    if (refusal !== null) return refusal;
    const fence = (current.document?.fence ?? (await highestFence(store))) + 1;
    const document = { holder, leg: randomUUID(), fence, ...beating(times) };
    const etag = await write(store, name, document, current.etag);
    if (etag !== null) {
      const before = current.document?.holder ?? null;
      return { granted: true, lease: { name, document, etag }, displaced: before === holder ? null : before };
    }
  }
  throw new AppError('busy', `The lease ${name} changes hands too fast`, { hint: 'Try again.', transient: true });
}

/** Shows that the holder is alive. Throws `fenced` when the lease has been taken over. */
export async function renewLease(ports: Needs, lease: Lease, times: LeaseTimes): Promise<Lease> {
  return replace(ports.store, lease, { ...lease.document, ...beating(times) });
}

/** Whether the lease is still as this holder wrote it last. */
export async function holdsLease({ store }: Needs, lease: Lease): Promise<boolean> {
  return (await store.read(leaseObject(lease.name)))?.etag === lease.etag;
}

/** Whether the attempt that was granted the lease has it, however often it has been renewed since. */
export async function isOfAttempt({ store }: Needs, { name, document }: Lease): Promise<boolean> {
  return (await readLease(store, name)).document?.leg === document.leg;
}

/** Ends an attempt's work; the run keeps the lease for its next attempt to take. */
export async function handOverLease(ports: Needs, lease: Lease, times: LeaseTimes): Promise<Lease> {
  return replace(ports.store, lease, { ...lease.document, leg: null, ...beating(times) });
}

/** Frees a lease. One that was taken over in the meantime is left alone. */
export async function releaseLease({ store }: Needs, lease: Lease): Promise<void> {
  await write(store, lease.name, freed(lease.document), lease.etag);
}

/** Frees a lease that is a run's, whoever held it for the run: a run that is over must not keep others waiting. */
export async function freeLease({ store }: Needs, name: string, holder: string): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const { document, etag } = await readLease(store, name);
    if (document?.holder !== holder) return;
    if ((await write(store, name, freed(document), etag)) !== null) return;
  }
}

/** Ends a lease whoever holds it and whether it can be read or not. False when there was nothing to end. */
export async function endLease({ store }: Needs, name: string): Promise<boolean> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const { document, etag, exists } = await readLease(store, name);
    if (!exists || document?.holder === null) return false;
    const fence = document?.fence ?? (await highestFence(store));
    const free = { holder: null, leg: null, fence, ...beating({ attemptTtlMs: 0, holdMs: 0 }) };
    if ((await write(store, name, free, etag)) !== null) return true;
  }
  throw new AppError('busy', `The lease ${name} changes hands too fast`, { hint: 'Try again.', transient: true });
}

/** When a process last wrote or saw a lease of its run: to spare it writes that would say nothing new. */
const kept = new WeakMap<ObjectStore, Map<string, { readonly beat: string; readonly at: number }>>();

/**
 * Keeps a lease that its run holds between attempts from running out while tasks are worked on. False when somebody else
 * has it, or nobody.
 */
export async function keepLease(ports: Needs, name: string, holder: string, times: LeaseTimes): Promise<boolean> {
  const { clock, store } = ports;
  const { document, etag } = await readLease(store, name);
  // One that cannot be read may be what is left of ours.
  if (document === null) return true;
  if (document.holder !== holder) return false;
  if (document.leg !== null) return true;
  const seen = kept.get(store) ?? new Map<string, { beat: string; at: number }>();
  kept.set(store, seen);
  const last = seen.get(name);
  const lasts = document.holdMs >= times.holdMs;
  if (lasts && last?.beat === document.beat && Math.abs(clock.now() - last.at) < times.holdMs / 4) return true;
  const next = { ...document, ...beating(times) };
  if ((await write(store, name, next, etag)) !== null) seen.set(name, { beat: next.beat, at: clock.now() });
  return true;
}

function beating({ attemptTtlMs, holdMs }: LeaseTimes): Pick<LeaseDocument, 'legTtlMs' | 'holdMs' | 'beat'> {
  return { legTtlMs: attemptTtlMs, holdMs, beat: randomUUID() };
}

function freed(document: LeaseDocument): LeaseDocument {
  return { ...document, holder: null, leg: null, beat: randomUUID() };
}

/** Null when nothing stands against the claim; `changed` when it has to be looked at again. */
async function refuse(
  store: ObjectStore,
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
    throw unreadable(name, patienceMs - age);
  }
  const { holder, leg: attempt } = document;
  const ownRun = holder === claimant;
  if (ownRun && attempt === null) return null;
  const limit = ownRun ? document.legTtlMs : await patienceWith(store, document, holder);
  if (limit <= 0) return null;
  const ageMs = await ageOf(store, leaseObject(name));
  if (ageMs === null) return 'changed';
  return ageMs >= limit ? null : { granted: false, holder, ownRun, ageMs, waitMs: limit - ageMs };
}

/** How long after its last renewal the lease of another run may be taken, in milliseconds. */
async function patienceWith(store: ObjectStore, { holdMs }: LeaseDocument, holder: string): Promise<number> {
  const [run] = await runsOf(store, [holder]);
  // A process may have died after it ended its run and before it freed the lease.
  if (run !== undefined) return isOver(run) ? 0 : Math.min(holdMs, LONGEST_MS);
  const isRecorded = isId(holder) && (await store.read(runName(holder))) !== null;
  return Math.min(holdMs, isRecorded ? LONGEST_MS : UNRECORDED_MS);
}

async function highestFence(store: ObjectStore): Promise<number> {
  const runs = await recentRuns(store, { since: 0, limit: RUNS_READ });
  return Math.max(0, ...runs.map(({ fence }) => fence));
}

/** The command that ends a lease. `replica`: of the second store. */
export function unlockCommand(name: string, replica = false): string {
  return `npx soulcaster-backup unlock ${name} --yes${replica ? ' --replica' : ''} --env-file .env`;
}

function unreadable(name: string, waitMs: number): AppError {
  const seconds = Math.ceil(waitMs / 1000);
  return new AppError('locked', `The lease ${leaseObject(name)} cannot be read, so it is not known who holds it`, {
    hint: `If nothing is running, end it: \`${unlockCommand(name)}\`. Left alone it can be taken in ${seconds} s.`,
    retryAfterMs: waitMs,
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
