import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../errors.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore, Ports } from '../ports/index.js';

type Needs = Pick<Ports, 'clock' | 'store'>;

const leaseSchema = z.object({
  /** The run that has the lease; null when it is free. */
  holder: z.string().nullable(),
  /** Token of the leg at work; null while the run waits for its next leg. */
  leg: z.string().nullable(),
  fence: z.number().int(),
  /** Until then the leg counts as alive; after that another leg of the same run may take over. */
  legUntil: z.number(),
  /** Until then the lease is the run's; after that any run may have it. */
  expiresAt: z.number(),
});

export type LeaseDocument = z.infer<typeof leaseSchema>;

export interface LeaseTimes {
  /** A leg that has not been heard of for so long counts as dead, in milliseconds. */
  readonly legTtlMs: number;
  /** A run that has not been heard of for so long may be displaced by another, in milliseconds. */
  readonly holdMs: number;
}

/** A lease in the hands of one leg. */
export interface Lease {
  readonly name: string;
  readonly document: LeaseDocument;
  readonly etag: string;
}

export type Claim =
  | { readonly granted: true; readonly lease: Lease; readonly displaced: string | null }
  /** Somebody else is at work: another run, or (`ownRun`) another leg of the same one. */
  | { readonly granted: false; readonly holder: string; readonly ownRun: boolean; readonly waitMs: number };

const ATTEMPTS = 8;
const LEASES = 'leases/';

/** A lease as it stands, for looking at; null when nobody ever held it, or it cannot be read. */
export async function readLease(store: ObjectStore, name: string): Promise<LeaseDocument | null> {
  const found = await store.read(leaseName(name));
  if (found === null) return null;
  try {
    return leaseSchema.parse(decodeJson(found.body));
  } catch {
    return null;
  }
}

/** The runs that hold a lease at this moment. */
export async function leaseHolders(store: ObjectStore): Promise<string[]> {
  const holders: string[] = [];
  for await (const { name } of store.list(LEASES)) {
    const lease = await readLease(store, name.slice(LEASES.length, -'.json'.length));
    if (lease?.holder != null) holders.push(lease.holder);
  }
  return holders;
}

function leaseName(name: string): string {
  return `${LEASES}${name}.json`;
}

/**
 * Takes a lease for a leg of run `holder`. It is granted when the lease is free or out of time, or when the same run
 * holds it and no leg is alive. Every grant has a higher fencing number than all before (Kleppmann,
 * "How to do distributed locking", 2016). `displaced` names the run that let its time run out.
 */
export async function claimLease(ports: Needs, name: string, holder: string, times: LeaseTimes): Promise<Claim> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const found = await ports.store.read(leaseName(name));
    const now = ports.clock.now();
    const current = found === null ? null : leaseSchema.parse(decodeJson(found.body));
    const refusal = current === null ? null : refuse(current, holder, now);
    if (refusal !== null) return refusal;
    const document = { holder, leg: randomUUID(), fence: (current?.fence ?? 0) + 1, ...untils(now, times) };
    const etag = await write(ports, name, document, found?.etag ?? null);
    if (etag !== null) {
      const displaced = current?.holder != null && current.holder !== holder ? current.holder : null;
      return { granted: true, lease: { name, document, etag }, displaced };
    }
  }
  throw new AppError('busy', `The lease ${name} changes hands too fast`, { hint: 'Try again.', transient: true });
}

/** Puts the end of a held lease off. Throws `fenced` when it has been taken over. */
export async function renewLease(ports: Needs, lease: Lease, times: LeaseTimes): Promise<Lease> {
  return replace(ports, lease, { ...lease.document, ...untils(ports.clock.now(), times) });
}

/** Ends a leg's work; the run keeps the lease for its next leg to take. */
export async function handOverLease(ports: Needs, lease: Lease, times: LeaseTimes): Promise<Lease> {
  return replace(ports, lease, { ...lease.document, leg: null, ...untils(ports.clock.now(), times) });
}

/** Frees a lease. One that was taken over in the meantime is left alone. */
export async function releaseLease(ports: Needs, lease: Lease): Promise<void> {
  await write(ports, lease.name, { ...lease.document, holder: null, leg: null, legUntil: 0, expiresAt: 0 }, lease.etag);
}

/** Frees a lease that is a run's, whoever held it for the run: a run that is over must not keep others waiting. */
export async function freeLease(ports: Needs, name: string, holder: string): Promise<void> {
  const found = await ports.store.read(leaseName(name));
  if (found === null) return;
  const document = leaseSchema.parse(decodeJson(found.body));
  if (document.holder === holder) await releaseLease(ports, { name, document, etag: found.etag });
}

/** Keeps a lease that its run holds between legs from running out while tasks are at work. */
export async function keepLease(ports: Needs, name: string, holder: string, times: LeaseTimes): Promise<void> {
  const found = await ports.store.read(leaseName(name));
  if (found === null) return;
  const document = leaseSchema.parse(decodeJson(found.body));
  const now = ports.clock.now();
  if (document.holder !== holder || document.leg !== null || document.expiresAt - now > times.holdMs / 2) return;
  await write(ports, name, { ...document, ...untils(now, times) }, found.etag);
}

function untils(now: number, times: LeaseTimes): Pick<LeaseDocument, 'legUntil' | 'expiresAt'> {
  return { legUntil: now + times.legTtlMs, expiresAt: now + times.holdMs };
}

/** Null when nothing stands against the claim. */
function refuse(current: LeaseDocument, claimant: string, now: number): Claim | null {
  const { holder, leg, legUntil, expiresAt } = current;
  if (holder === null || expiresAt <= now) return null;
  if (holder !== claimant) return { granted: false, holder, ownRun: false, waitMs: expiresAt - now };
  if (leg === null || legUntil <= now) return null;
  return { granted: false, holder, ownRun: true, waitMs: legUntil - now };
}

async function replace(ports: Needs, lease: Lease, document: LeaseDocument): Promise<Lease> {
  const etag = await write(ports, lease.name, document, lease.etag);
  if (etag !== null) return { name: lease.name, document, etag };
  throw new AppError('fenced', `The lease ${lease.name} has been taken over`, {
    hint: 'Nothing to do: the leg that took over goes on with the work.',
  });
}

async function write(ports: Needs, name: string, document: LeaseDocument, etag: string | null): Promise<string | null> {
  const body = encodeJson(document);
  if (etag !== null) return ports.store.swap(leaseName(name), body, etag);
  const outcome = await ports.store.create(leaseName(name), body);
  return outcome.created ? outcome.etag : null;
}
