import { createHash, type Hash } from 'node:crypto';
import pMap from 'p-map';
import { z } from 'zod';
import { ignoredObjectsIn, CATALOG_NAME } from '../control/authenticated-store.js';
import { HIDDEN_WORDS } from '../control/encryption.js';
import { toAppError } from '../errors.js';
import { encodeJson, parseStored } from '../json.js';
import type { ObjectStore, Ports, Signer } from '../ports/index.js';
import type { StoredBody } from '../ports/store.js';
import { isId } from '../runs/ids.js';
import { acceptanceSchema, adoptionSchema, verificationSchema } from './statements.js';
import { catalogEntry, type CatalogEntry } from './catalog.js';
import { loadManifest, type Manifest } from './manifest.js';
import { acceptedName, adoptedName, manifestName, SNAPSHOTS_PREFIX, verificationName } from './names.js';
import { summaryOf, summarySchema, verifySignature, verdictSchema } from './summary.js';

/*
 * `catalog.json` saves reading the objects beside the parts of each snapshot. Its entry for a snapshot is used only while
 * the store's listing shows the same objects as when the entry was made: a catalogue that is missing, old or signed with
 * another key costs reads, but changes no result. Code that writes, removes or restores reads the manifests themselves.
 */

const entrySchema = z.object({
  id: z.string(),
  /** SHA-256 of the listing of all objects of the snapshot, taken before the entry was read from them. */
  mark: z.string(),
  manifest: summarySchema.nullable(),
  missingParts: z.number(),
  sizes: z.object({ plain: z.number(), stored: z.number(), parts: z.number() }).nullable(),
  fences: z.tuple([z.number(), z.number()]).readonly().nullable(),
  sealed: verdictSchema.nullable(),
  sha256: z.string(),
  verification: verificationSchema.nullable(),
  accepted: acceptanceSchema.nullable(),
  adopted: adoptionSchema.nullable(),
});
type KnownEntry = z.infer<typeof entrySchema>;

const catalogSchema = z.object({
  version: z.literal(1),
  /** `Signer.accepts` of the process that checked the signatures. */
  accepts: z.string(),
  /** Newest first. */
  snapshots: z.array(entrySchema),
});

type Needs = Pick<Ports, 'signer' | 'store'>;

/** Snapshots read at a time. */
const CONCURRENCY = 16;
const ATTEMPTS = 4;

/**
 * All snapshots, newest first: reads the catalogue, one listing, and the objects of the snapshots that changed since the
 * catalogue was written.
 */
export async function listEntries(ports: Needs): Promise<CatalogEntry[]> {
  return (await loadCatalog(ports)).entries;
}

let remembered: { readonly sha256: string; readonly manifest: Manifest } | null = null;

/**
 * Loads the whole manifest of an entry; null where it is no longer the manifest of the entry. The last one is kept in memory, so
 * that repeated requests for the newest snapshot read it once.
 */
export async function loadWholeManifest(
  { store }: Pick<Ports, 'store'>,
  entry: Pick<CatalogEntry, 'id' | 'sha256'> | null,
): Promise<Manifest | null> {
  if (entry === null) return null;
  if (remembered?.sha256 === entry.sha256) return remembered.manifest;
  const loaded = await loadManifest(store, entry.id);
  if (loaded?.sha256 !== entry.sha256) return null;
  remembered = loaded;
  return loaded.manifest;
}

/** As `listEntries`, and updates the catalogue. A failure to write it is only logged. */
export async function refreshEntries(ports: Needs & Partial<Pick<Ports, 'log'>>): Promise<CatalogEntry[]> {
  let loaded = await loadCatalog(ports);
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (await writeCatalog(ports.store, loaded)) break;
      loaded = await loadCatalog(ports);
    }
  } catch (error) {
    ports.log?.warn('catalog-not-written', { code: toAppError(error).code });
  }
  return loaded.entries;
}

/**
 * Updates the catalogue after a snapshot was added, verified, accepted, adopted or removed. Never throws: the catalogue only
 * saves reads.
 */
export async function refreshCatalog(ports: Needs & Partial<Pick<Ports, 'log'>>): Promise<void> {
  try {
    await refreshEntries(ports);
  } catch (error) {
    ports.log?.warn('catalog-not-written', { code: toAppError(error).code });
  }
}

interface LoadedCatalog {
  readonly entries: CatalogEntry[];
  readonly stored: StoredBody | null;
  /** The new content of the catalogue; null where it is up to date. */
  readonly body: Buffer | null;
}

async function loadCatalog({ signer, store }: Needs): Promise<LoadedCatalog> {
  // The listing precedes the reads: an object that changes in between will not match its mark later.
  const marks = await marksIn(store);
  const stored = await store.read(CATALOG_NAME);
  const known = stored === null ? new Map<string, KnownEntry>() : parseEntries(stored.body, signer);
  const ids = [...marks.keys()].reverse();
  const found = await pMap(ids, (id) => entryOf({ signer, store }, id, marks.get(id) ?? null, known.get(id)), {
    concurrency: CONCURRENCY,
  });
  const present = found.filter((each) => each !== null);
  const snapshots = present.flatMap(({ kept }) => (kept === null ? [] : [kept]));
  const isSame = snapshots.length === known.size && snapshots.every((each) => known.get(each.id) === each);
  const body = stored !== null && isSame ? null : encodeJson({ version: 1, accepts: signer.accepts, snapshots });
  return { entries: present.map(({ entry }) => entry), stored, body };
}

/** False when another process has written the catalogue meanwhile. */
async function writeCatalog(store: ObjectStore, { body, stored }: LoadedCatalog): Promise<boolean> {
  if (body === null) return true;
  if (stored === null) return (await store.create(CATALOG_NAME, body)).created;
  return (await store.swap(CATALOG_NAME, body, stored.etag)) !== null;
}

/**
 * For each snapshot that has a manifest, oldest first: a hash of the listing of all its objects, including parts; null where
 * the store's listing does not identify versions of an object.
 */
async function marksIn(store: ObjectStore): Promise<Map<string, string | null>> {
  const seen = new Map<string, { readonly hash: Hash; hasManifest: boolean; hasVersions: boolean }>();
  for await (const { name, size, modifiedAt, version } of store.list(SNAPSHOTS_PREFIX)) {
    const [, id = ''] = name.split('/');
    if (!isId(id)) continue;
    const one = seen.get(id) ?? { hash: createHash('sha256'), hasManifest: false, hasVersions: true };
    seen.set(id, one);
    one.hash.update(`${name} ${size} ${modifiedAt} ${version ?? ''}\n`);
    if (name === manifestName(id)) one.hasManifest = true;
    if (version === undefined) one.hasVersions = false;
  }
  const withManifest = [...seen].filter(([, { hasManifest }]) => hasManifest);
  return new Map(withManifest.map(([id, { hash, hasVersions }]) => [id, hasVersions ? hash.digest('hex') : null]));
}

function objectsOf(id: string): string[] {
  return [manifestName(id), verificationName(id), acceptedName(id), adoptedName(id)];
}

/** The valid entries of a catalogue; none where its signatures were checked with other keys. */
function parseEntries(body: Buffer, signer: Signer): Map<string, KnownEntry> {
  const catalog = parseStored(catalogSchema, body);
  if (catalog === null || catalog.accepts !== signer.accepts) return new Map();
  return new Map(catalog.snapshots.filter(isDecrypted).map((entry) => [entry.id, entry]));
}

/** Whether the texts of an entry could be decrypted here. */
function isDecrypted(entry: KnownEntry): boolean {
  return !JSON.stringify(entry).includes(HIDDEN_WORDS);
}

interface Found {
  readonly entry: CatalogEntry;
  /** The entry for the catalogue; null for a snapshot that must be read each time. */
  readonly kept: KnownEntry | null;
}

async function entryOf(
  { signer, store }: Needs,
  id: string,
  mark: string | null,
  known: KnownEntry | undefined,
): Promise<Found | null> {
  if (known !== undefined && known.mark === mark) return { entry: { ...known, newerFormat: false }, kept: known };
  const entry = await catalogEntry(store, id);
  if (entry === null) return null;
  // A snapshot with an ignored object is read each time, so that the object is reported until it is removed.
  const hasIgnored = ignoredObjectsIn(store).some(({ object }) => objectsOf(id).includes(object));
  if (mark === null || entry.newerFormat || entry.refusal !== undefined || hasIgnored) return { entry, kept: null };
  const { manifest, sealed } = entry;
  const kept = {
    id,
    mark,
    manifest: manifest === null ? null : summaryOf(manifest),
    missingParts: entry.missingParts,
    sizes: entry.sizes,
    fences: entry.fences,
    sealed: manifest === null || sealed === null ? null : verifySignature(manifest, sealed, signer),
    sha256: entry.sha256,
    verification: entry.verification,
    accepted: entry.accepted,
    adopted: entry.adopted,
  };
  return { entry, kept };
}
