import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import { isId } from '../runs/ids.js';
import {
  readAcceptance,
  readAdoption,
  type Acceptance,
  type Adoption,
  readVerification,
  type Verification,
} from './statements.js';
import { parseManifest, sha256, type Manifest, fencesOf, sizesOf, type Sizes } from './manifest.js';
import { manifestName, partName, SNAPSHOTS_PREFIX } from './names.js';
import { doubtsOf, type ManifestSummary, type SignatureVerdict } from './summary.js';

/** A snapshot, read from the objects beside its parts. `assess` computes its state. */
export interface CatalogEntry {
  readonly id: string;
  /** Null when it cannot be read. */
  readonly manifest: ManifestSummary | null;
  /** The number of its parts that the store's listing lacks, or shows with another size. */
  readonly missingParts: number;
  /** Sizes of its parts; null without a manifest. */
  readonly sizes: (Sizes & { readonly parts: number }) | null;
  /** The lowest and the highest fencing number of the attempts that wrote its parts; null where none is known. */
  readonly fences: readonly [number, number] | null;
  /**
   * The bytes that the manifest's hash and signature must match or, in an entry from the catalogue, whether they matched
   * when it was read; null without a manifest.
   */
  readonly sealed: Buffer | SignatureVerdict | null;
  /** SHA-256 of the manifest as it is stored. */
  readonly sha256: string;
  readonly newerFormat: boolean;
  /** Why the store refuses to return one of these objects, such as one in an archive; absent where it returns all. */
  readonly refusal?: Refusal;
  readonly verification: Verification | null;
  /** Read only where there is something to accept. */
  readonly accepted: Acceptance | null;
  /** Read only where the manifest is not signed. */
  readonly adopted: Adoption | null;
}

/** An entry with the whole manifest, read just now: the basis for writing, removing or restoring. */
export interface FullEntry extends CatalogEntry {
  readonly manifest: Manifest | null;
  readonly sealed: Buffer | null;
}

/** A store's refusal of one object, for operators. */
type Refusal = Pick<AppError, 'message' | 'hint'>;

/**
 * The refusal of an object, or null for any other error. One refused object must not prevent reading the others; a store that
 * refuses all objects fails later, when one is needed.
 */
export function refusalIn(error: unknown): Refusal | null {
  return error instanceof AppError && error.code === 'store-denied' && !error.transient ? error : null;
}

export function refusedError(id: string, { hint, message }: Refusal): AppError {
  return new AppError('store-denied', `The store refuses to return snapshot ${id}: ${message}`, { hint });
}

/** `wanted`: an id, or other words of an operator. */
export function noSnapshotError(wanted: string): AppError {
  return new AppError('not-found', `There is no snapshot ${JSON.stringify(wanted.slice(0, 64))}`, {
    hint: 'List the ids: `npx soulcaster-backup snapshots list --env-file .env`.',
  });
}

/** The ids under which any object is stored, oldest first, even without a manifest. */
export async function snapshotIds(store: ObjectStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const folder of store.folders(SNAPSHOTS_PREFIX)) if (isId(folder)) ids.push(folder);
  return ids;
}

/** Null when there is no manifest: the snapshot is unfinished or was removed. */
export async function catalogEntry(store: ObjectStore, id: string): Promise<FullEntry | null> {
  try {
    return await readEntry(store, id);
  } catch (error) {
    const refusal = refusalIn(error);
    if (refusal === null) throw error;
    return { ...UNREADABLE, id, sha256: '', refusal };
  }
}

const UNREADABLE = {
  manifest: null,
  newerFormat: false,
  missingParts: 0,
  sizes: null,
  fences: null,
  sealed: null,
  verification: null,
  accepted: null,
  adopted: null,
} as const;

async function readEntry(store: ObjectStore, id: string): Promise<FullEntry | null> {
  const found = await store.read(manifestName(id));
  if (found === null) return null;
  const base = { ...UNREADABLE, id, sha256: sha256(found.body) };
  try {
    const { manifest, sealed } = parseManifest(id, found.body);
    const missingParts = await countMissing(store, manifest);
    // A removal deletes the manifest first: a snapshot without one lacks no parts.
    if (missingParts > 0 && (await store.read(manifestName(id))) === null) return null;
    return {
      ...base,
      manifest,
      missingParts,
      sizes: { ...sizesOf(manifest), parts: manifest.parts.length },
      fences: fencesOf(manifest),
      sealed,
      verification: await readVerification(store, id),
      accepted: doubtsOf(manifest).length > 0 ? await readAcceptance(store, id) : null,
      adopted: manifest.seal.signature === null ? await readAdoption(store, id) : null,
    };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === 'damaged') return base;
    if (error.code === 'newer-format') return { ...base, newerFormat: true };
    throw error;
  }
}

/** Counts the parts that the store's listing lacks, or shows with another size. */
async function countMissing(store: ObjectStore, { id, parts }: Manifest): Promise<number> {
  const sizes = new Map<string, number>();
  for await (const { name, size } of store.list(partName(id, ''))) sizes.set(name, size);
  return parts.filter(({ name, stored }) => sizes.get(partName(id, name)) !== stored.bytes).length;
}

/** All snapshots, newest first. */
export async function* catalog(store: ObjectStore): AsyncGenerator<FullEntry> {
  for (const id of (await snapshotIds(store)).reverse()) {
    const entry = await catalogEntry(store, id);
    if (entry !== null) yield entry;
  }
}

/** The link of the chain: the newest snapshot before this one that the store returns, and the hash of its stored manifest. */
export async function findPreviousLink(store: ObjectStore, id: string): Promise<{ id: string; sha256: string } | null> {
  const earlier = (await snapshotIds(store)).filter((other) => other < id).reverse();
  for (const candidate of earlier) {
    const found = await store.read(manifestName(candidate)).catch((error: unknown) => {
      if (refusalIn(error) === null) throw error;
      return null;
    });
    if (found !== null) return { id: candidate, sha256: sha256(found.body) };
  }
  return null;
}
