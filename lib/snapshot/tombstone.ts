import pMap from 'p-map';
import { z } from 'zod';
import { passOver } from '../control/authenticated-store.js';
import { acceptsOthers } from '../control/signature.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore, Signer, Ports } from '../ports/index.js';
import type { StoredBody } from '../ports/store.js';
import { isId } from '../runs/ids.js';
import { sha256 } from './manifest.js';
import { AppError } from '../errors.js';
import { claimLease, releaseLease } from '../runs/lease.js';

const PRUNED = 'pruned/';
const READS_AT_A_TIME = 16;

const tombstoneBody = z.object({
  formatVersion: z.literal(1),
  /** The snapshot that was removed. */
  id: z.string(),
  /** SHA-256 of its stored manifest, as the next snapshot of the chain recorded it. */
  manifestSha256: z.string(),
  /** Its own link in the chain, so that the loss of the previous snapshot is still detected. */
  previous: z.object({ id: z.string(), sha256: z.string() }).nullable(),
  prunedAt: z.string(),
  reasons: z.array(z.string()),
});
type TombstoneBody = z.infer<typeof tombstoneBody>;

/** Hash and signature are over the JSON text of the body without white space, as in a manifest. */
const tombstoneSchema = tombstoneBody.extend({
  seal: z.object({ sha256: z.string(), signature: z.string().nullable() }),
});
export type Tombstone = z.infer<typeof tombstoneSchema>;

/** `pruned/{id}.json` records that a snapshot was removed on purpose. It has no effect while the manifest exists. */
export function tombstoneName(id: string): string {
  return `${PRUNED}${id}.json`;
}

export function signTombstone(body: TombstoneBody, signer: Signer): Buffer {
  const signed = Buffer.from(JSON.stringify(body));
  return encodeJson({ ...body, seal: { sha256: sha256(signed), signature: signer.sign(signed) } });
}

/** Whether objects signed here are accepted here: false where only the public key is set. */
export function canSign(signer: Signer): boolean {
  const probe = Buffer.from('tombstone');
  return signer.sign(probe) !== null || signer.verify(probe, '') === null;
}

/** Null without a valid tombstone: it must be readable, match its hash and, where a key is set, have a valid signature. */
export async function readTombstone(
  { store, signer }: { readonly store: ObjectStore; readonly signer: Signer },
  id: string,
): Promise<Tombstone | null> {
  const found = await store.read(tombstoneName(id));
  if (found === null) return null;
  const { fault, tombstone } = parseTombstone(signer, id, found.body);
  if (fault !== null) return passOver(store, tombstoneName(id), found, fault);
  await renew({ store, signer }, tombstoneName(id), found);
  return tombstone;
}

/**
 * Signs the tombstones from before a signing key was set, as `signUnsigned` does control objects, and returns their names: without
 * them the snapshots that were removed then would count as missing.
 */
export async function signUnsignedTombstones({
  store,
  signer,
}: {
  readonly store: ObjectStore;
  readonly signer: Signer;
}): Promise<string[]> {
  const signed: string[] = [];
  for (const id of await tombstoneIds(store)) {
    const name = tombstoneName(id);
    const found = await store.read(name);
    const parsed = found === null ? null : parseTombstone(signer, id, found.body);
    if (found === null || parsed?.fault !== 'unsigned') continue;
    const { seal: _, ...body } = parsed.tombstone;
    if ((await store.swap(name, signTombstone(body, signer), found.etag)) !== null) signed.push(name);
  }
  return signed;
}

/** Signs a valid tombstone of another accepted key again, as `authenticatedStore` does with control objects. */
async function renew(
  { signer, store }: { readonly store: ObjectStore; readonly signer: Signer },
  name: string,
  { body, etag }: StoredBody,
): Promise<void> {
  if (!acceptsOthers(signer) || !canSign(signer)) return;
  const { seal: _, ...fields } = decodeJson(body) as Tombstone;
  const renewed = signTombstone(fields, signer);
  if (renewed.equals(body)) return;
  try {
    await store.swap(name, renewed, etag);
  } catch {
    // Reading is what was asked for; the next reader tries again.
  }
}

/** All valid tombstones, by the id of their snapshot. */
export async function readTombstones(ports: {
  readonly store: ObjectStore;
  readonly signer: Signer;
}): Promise<Map<string, Tombstone>> {
  const ids = await tombstoneIds(ports.store);
  const read = await pMap(ids, (id) => readTombstone(ports, id), { concurrency: READS_AT_A_TIME });
  return new Map(read.flatMap((tombstone) => (tombstone === null ? [] : [[tombstone.id, tombstone] as const])));
}

/** The ids of all tombstones, valid or not, oldest first. */
export async function tombstoneIds(store: ObjectStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const { name } of store.list(PRUNED)) {
    const id = name.slice(PRUNED.length, -'.json'.length);
    if (isId(id) && name === tombstoneName(id)) ids.push(id);
  }
  return ids;
}

type Parsed =
  | { readonly fault: null | 'unsigned'; readonly tombstone: Tombstone }
  | { readonly fault: 'forged' | 'unreadable'; readonly tombstone: null };

function parseTombstone(signer: Signer, id: string, bytes: Buffer): Parsed {
  try {
    const raw = z.record(z.string(), z.unknown()).parse(decodeJson(bytes));
    const tombstone = tombstoneSchema.parse(raw);
    const body = Object.fromEntries(Object.entries(raw).filter(([name]) => name !== 'seal'));
    const signed = Buffer.from(JSON.stringify(body));
    const { sha256: stated, signature } = tombstone.seal;
    if (tombstone.id !== id || sha256(signed) !== stated) return { fault: 'forged', tombstone: null };
    if (signer.verify(signed, signature ?? '') !== false) return { fault: null, tombstone };
    return signature === null ? { fault: 'unsigned', tombstone } : { fault: 'forged', tombstone: null };
  } catch {
    return { fault: 'unreadable', tombstone: null };
  }
}

/** The lease of processes that remove snapshots. */
export const PRUNE_LEASE = 'prune';

const BRIEFLY = { attemptTtlMs: 10_000, holdMs: 10_000 };

/**
 * Asserts that a snapshot which run `run` needs is not being removed. The run's record, which names the snapshot, must have
 * been written before. A prune proceeds in the opposite order: it writes the tombstone, then reads the runs, then renews its
 * lease and removes; so one of the two detects the other. A tombstone alone may be left by an interrupted prune: then its
 * lease is free, and claiming it fences off that prune. Throws `locked`.
 */
export async function assertNotBeingRemoved(
  ports: Pick<Ports, 'clock' | 'store'>,
  run: string,
  id: string,
): Promise<void> {
  if ((await ports.store.read(tombstoneName(id))) === null) return;
  const claim = await claimLease(ports, PRUNE_LEASE, run, BRIEFLY);
  if (claim.granted) return releaseLease(ports, claim.lease);
  throw new AppError('locked', `Snapshot ${id} is being removed`, {
    hint: 'Wait a minute and try again. If the snapshot is no longer listed then, use another one.',
  });
}
