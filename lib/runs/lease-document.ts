import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { passOver } from '../control/authenticated-store.js';
import { AppError } from '../errors.js';
import { parseStored } from '../json.js';
import type { ObjectStore, StoredBody } from '../ports/store.js';
import { MAX_FENCE } from './model.js';

const LEASES = 'leases/';
const SUFFIX = '.json';

const common = {
  /** The run that has the lease; null when it is free. */
  holder: z.string().nullable(),
  /** Token of the attempt in progress; null while the run waits for its next one. */
  leg: z.string().nullable(),
  fence: z.number().int().nonnegative().max(MAX_FENCE),
  /**
   * Names the count that `fence` is of: another one where the count began again, as in another store. Absent in documents
   * of older versions.
   */
  series: z.string().optional(),
};

/** `leases/{name}.json`. Durations are in milliseconds; the age of a lease is measured by the store's clock. */
const leaseSchema = z.object({
  ...common,
  /** After this long without a renewal another attempt of the same run may take over. */
  legTtlMs: z.number().nonnegative(),
  /** After this long without a renewal any run may take the lease. */
  holdMs: z.number().nonnegative(),
  /** Changes with every renewal, so that the object is rewritten and its modification time changes. */
  beat: z.string(),
});
export type LeaseDocument = z.infer<typeof leaseSchema>;

/** As the versions of November 2026 wrote it at first; their times are by the writer's clock and are ignored. */
const formerSchema = z
  .object({ ...common, legUntil: z.number(), expiresAt: z.number() })
  .transform(({ fence, holder, leg }) => ({ fence, holder, leg, legTtlMs: 60_000, holdMs: 15 * 60_000, beat: '' }));

export interface ReadLease {
  readonly exists: boolean;
  /** Null when there is none, or when it cannot be read or (if a key is set) is not signed with it. */
  readonly document: LeaseDocument | null;
  /** Null when there is no object to swap; an object that does not authenticate is replaced by creating it. */
  readonly etag: string | null;
}

/** A lease as found by a listing. */
export interface ListedLease {
  readonly name: string;
  readonly document: LeaseDocument | null;
  /** When it was last written, by the store's clock, in milliseconds since the epoch. */
  readonly modifiedAt: number;
}

export function leaseObject(name: string): string {
  return `${LEASES}${name}${SUFFIX}`;
}

export async function readLease(store: ObjectStore, name: string): Promise<ReadLease> {
  const found = await store.read(leaseObject(name));
  if (found !== null) return { exists: true, document: parse(store, leaseObject(name), found), etag: found.etag };
  // An object that does not authenticate reads as missing; it may still be the altered lease of a live holder.
  return { exists: (await modifiedAt(store, leaseObject(name))) !== null, document: null, etag: null };
}

/** All leases, readable or not, in the order of their names. */
export async function listLeases(store: ObjectStore): Promise<ListedLease[]> {
  const leases: ListedLease[] = [];
  for await (const { name: object, modifiedAt: at } of store.list(LEASES)) {
    if (!object.endsWith(SUFFIX) || object.length <= LEASES.length + SUFFIX.length) continue;
    const name = object.slice(LEASES.length, -SUFFIX.length);
    const found = await store.read(object);
    leases.push({ name, document: found === null ? null : parse(store, object, found), modifiedAt: at });
  }
  return leases;
}

/** The runs that hold a lease at this moment. */
export async function leaseHolders(store: ObjectStore): Promise<string[]> {
  return (await listLeases(store)).flatMap(({ document }) => document?.holder ?? []);
}

function parse(store: ObjectStore, object: string, found: StoredBody): LeaseDocument | null {
  return parseStored(z.union([leaseSchema, formerSchema]), found.body) ?? passOver(store, object, found);
}

/** When an object was last written, by the store's clock, in milliseconds since the epoch; null if it does not exist. */
export async function modifiedAt(store: ObjectStore, name: string): Promise<number | null> {
  for await (const object of store.list(name)) if (object.name === name) return object.modifiedAt;
  return null;
}

/**
 * The current time by the store's clock: the modification time of an object that is written and then removed. Clocks of two
 * machines can differ by any amount; two times of one store cannot. Throws the store's error if it accepts no writes.
 */
export async function storeNow(store: ObjectStore): Promise<number> {
  const name = `probe/${randomUUID()}`;
  await store.create(name, Buffer.from(name));
  try {
    const time = await modifiedAt(store, name);
    if (time !== null) return time;
  } finally {
    await store.remove(name).catch(() => undefined);
  }
  throw new AppError('store-unavailable', 'The store does not list an object that was just written', {
    hint: 'Use a store with strong consistency; `npx soulcaster-backup doctor --env-file .env` checks that.',
    transient: true,
  });
}

/** How long ago an object was last written, by the store's clock, in milliseconds; null if it does not exist. */
export async function ageOf(store: ObjectStore, name: string): Promise<number | null> {
  const written = await modifiedAt(store, name);
  return written === null ? null : Math.max(0, (await storeNow(store)) - written);
}
