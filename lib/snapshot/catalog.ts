import pMap from 'p-map';
import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import { isId } from '../runs/ids.js';
import { loadManifest, sha256, type Manifest } from './manifest.js';
import { manifestName, SNAPSHOTS_PREFIX } from './names.js';
import { readVerification, type Verification } from './verification.js';

/** A snapshot as a list shows it. `manifest` is null when it has one that cannot be read. */
export interface CatalogEntry {
  readonly id: string;
  readonly manifest: Manifest | null;
  readonly verification: Verification | null;
}

/** The ids under which anything is stored, oldest first. Not every one need have a manifest. */
export async function snapshotIds(store: ObjectStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const folder of store.folders(SNAPSHOTS_PREFIX)) if (isId(folder)) ids.push(folder);
  return ids;
}

/** Null when there is no manifest: then it is no snapshot, only what is left of one or not finished. */
export async function catalogEntry(store: ObjectStore, id: string): Promise<CatalogEntry | null> {
  try {
    const loaded = await loadManifest(store, id);
    if (loaded === null) return null;
    return { id, manifest: loaded.manifest, verification: await readVerification(store, id) };
  } catch (error) {
    if (error instanceof AppError && (error.code === 'damaged' || error.code === 'newer-format')) {
      return { id, manifest: null, verification: null };
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

/** Whether a snapshot may be relied on: complete, read back and found whole, and not one of a restore's own. */
export function isVerified({ manifest, verification }: CatalogEntry): boolean {
  return manifest?.state === 'complete' && manifest.purpose !== 'safety' && verification?.state === 'verified';
}

/** The newest snapshot that may be relied on; null when there is none. */
export async function newestVerified(store: ObjectStore): Promise<CatalogEntry | null> {
  for await (const entry of catalog(store)) if (isVerified(entry)) return entry;
  return null;
}

/** Finds a snapshot by its id, or `latest` for the newest verified one. Throws `not-found`. */
export async function resolveSnapshot(store: ObjectStore, wanted: string): Promise<string> {
  if (wanted === 'latest') {
    const newest = await newestVerified(store);
    if (newest !== null) return newest.id;
    throw new AppError('not-found', 'There is no verified snapshot yet', {
      hint: 'Take one with `soulcaster-backup backup`, or name a snapshot by its id.',
    });
  }
  if (isId(wanted) && (await store.read(manifestName(wanted))) !== null) return wanted;
  throw new AppError('not-found', `There is no snapshot ${JSON.stringify(wanted.slice(0, 64))}`, {
    hint: 'See `soulcaster-backup list` for the ids there are.',
  });
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
