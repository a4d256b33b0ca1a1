import pMap from 'p-map';
import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import { isId } from '../runs/ids.js';
import { readAcceptance, readAdoption, type Acceptance, type Adoption } from './acceptance.js';
import { parseManifest, sha256, type Manifest } from './manifest.js';
import { manifestName, SNAPSHOTS_PREFIX } from './names.js';
import { doubtsOf } from './source.js';
import { readVerification, type Verification } from './verification.js';

/** A snapshot as far as the objects beside its parts tell of it. `assess` says what it is worth. */
export interface CatalogEntry {
  readonly id: string;
  /** Null when it has one that cannot be read. */
  readonly manifest: Manifest | null;
  /** What the seal's hash and signature must be over; null without a manifest. */
  readonly sealed: Buffer | null;
  /** SHA-256 of the manifest as it is stored. */
  readonly sha256: string;
  readonly newerFormat: boolean;
  readonly verification: Verification | null;
  /** Read only where there is something to accept. */
  readonly accepted: Acceptance | null;
  /** Read only where the manifest is not signed. */
  readonly adopted: Adoption | null;
}

/** The ids under which anything is stored, oldest first. Not every one need have a manifest. */
export async function snapshotIds(store: ObjectStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const folder of store.folders(SNAPSHOTS_PREFIX)) if (isId(folder)) ids.push(folder);
  return ids;
}

/** Null when there is no manifest: then it is no snapshot, only what is left of one or not finished. */
export async function catalogEntry(store: ObjectStore, id: string): Promise<CatalogEntry | null> {
  const found = await store.read(manifestName(id));
  if (found === null) return null;
  const base = {
    id,
    sha256: sha256(found.body),
    newerFormat: false,
    verification: null,
    accepted: null,
    adopted: null,
  };
  try {
    const { manifest, sealed } = parseManifest(id, found.body);
    return {
      ...base,
      manifest,
      sealed,
      verification: await readVerification(store, id),
      accepted: doubtsOf(manifest).length > 0 ? await readAcceptance(store, id) : null,
      adopted: manifest.seal.signature === null ? await readAdoption(store, id) : null,
    };
  } catch (error) {
    if (error instanceof AppError && (error.code === 'damaged' || error.code === 'newer-format')) {
      return { ...base, manifest: null, sealed: null, newerFormat: error.code === 'newer-format' };
    }
    throw error;
  }
}

/** All snapshots, newest first. */
export async function* catalog(store: ObjectStore): AsyncGenerator<CatalogEntry> {
  for (const id of (await snapshotIds(store)).reverse()) {
    const entry = await catalogEntry(store, id);
    if (entry !== null) yield entry;
  }
}

/** Snapshots whose manifests are read at a time. */
const SIDE_BY_SIDE = 8;

/** The newest snapshots, newest first, and whether there are older ones. Reads no more manifests than it gives. */
export async function newestEntries(
  store: ObjectStore,
  limit: number,
): Promise<{ readonly entries: CatalogEntry[]; readonly more: boolean }> {
  const ids = (await snapshotIds(store)).reverse();
  const entries: CatalogEntry[] = [];
  let at = 0;
  while (at < ids.length && entries.length < limit) {
    const next = ids.slice(at, at + limit - entries.length);
    const found = await pMap(next, (id) => catalogEntry(store, id), { concurrency: SIDE_BY_SIDE });
    entries.push(...found.filter((entry) => entry !== null));
    at += next.length;
  }
  return { entries, more: await anyManifest(store, ids.slice(at)) };
}

/** An id alone does not make a snapshot: it may be what a run left that never came to its end. */
async function anyManifest(store: ObjectStore, ids: readonly string[]): Promise<boolean> {
  for (const id of ids)
    for await (const { name } of store.list(manifestName(id))) if (name === manifestName(id)) return true;
  return false;
}

/** The chain's link: the newest snapshot before this one, and the hash of its manifest as it is stored. */
export async function previousLink(store: ObjectStore, id: string): Promise<{ id: string; sha256: string } | null> {
  const earlier = (await snapshotIds(store)).filter((other) => other < id).reverse();
  for (const candidate of earlier) {
    const found = await store.read(manifestName(candidate));
    if (found !== null) return { id: candidate, sha256: sha256(found.body) };
  }
  return null;
}
