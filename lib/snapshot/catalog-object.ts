import { createHash, type Hash } from 'node:crypto';
import pMap from 'p-map';
import { z } from 'zod';
import { ignoredIn } from '../control/authenticated-store.js';
import { HIDDEN_WORDS } from '../control/hidden.js';
import { CATALOG_NAME } from '../control/names.js';
import { toAppError } from '../errors.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore, Ports, Signer } from '../ports/index.js';
import type { StoredBody } from '../ports/store.js';
import { isId } from '../runs/ids.js';
import { acceptanceSchema, adoptionSchema } from './acceptance.js';
import { catalogEntry, type CatalogEntry } from './catalog.js';
import { loadManifest, type Manifest } from './manifest.js';
import { acceptedName, adoptedName, manifestName, SNAPSHOTS_PREFIX, verificationName } from './names.js';
import { summaryOf, summarySchema, verdictOn, verdictSchema } from './summary.js';
import { verificationSchema } from './verification.js';

/*
 * `catalog.json` spares reading the objects beside the parts of each snapshot. It is believed of an object only as long as
 * the store's own listing shows that object as it was when it was read: so one that is missing, old or of another key costs
 * reads, and changes no answer. Whoever writes, removes or restores reads the manifests themselves.
 */

const entrySchema = z.object({
  id: z.string(),
  /** SHA-256 of what the listing showed of all objects of the snapshot before the entry was read from them. */
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
  /** `Signer.accepts` of who judged the signatures. */
  accepts: z.string(),
  /** Newest first. */
  snapshots: z.array(entrySchema),
});

type Needs = Pick<Ports, 'signer' | 'store'>;

/** Snapshots read at a time. */
const SIDE_BY_SIDE = 16;
const ATTEMPTS = 4;

/**
 * All snapshots, newest first: reads the catalogue, one listing, and the objects of those snapshots that changed since it
 * was written.
 */
export async function listEntries(ports: Needs): Promise<CatalogEntry[]> {
  return (await loadCatalog(ports)).entries;
}

let remembered: { readonly sha256: string; readonly manifest: Manifest } | null = null;

/**
 * The whole manifest of an entry; null where it is not as the entry has it. The last one stays in the memory of the process:
 * who looks again and again at the newest snapshot reads it once.
 */
export async function wholeManifest(
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

/** The same, and brings the catalogue up to date. That it could not be written goes to the log alone. */
export async function refreshedEntries(ports: Needs & Partial<Pick<Ports, 'log'>>): Promise<CatalogEntry[]> {
  let seen = await loadCatalog(ports);
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (await isWritten(ports.store, seen)) break;
      seen = await loadCatalog(ports);
    }
  } catch (error) {
    ports.log?.warn('catalog-not-written', { code: toAppError(error).code });
  }
  return seen.entries;
}

/**
 * For whoever has added, verified, accepted, adopted or removed a snapshot. The catalogue spares reads, and nothing
 * depends on it: throws nothing.
 */
export async function refreshCatalog(ports: Needs & Partial<Pick<Ports, 'log'>>): Promise<void> {
  try {
    await refreshedEntries(ports);
  } catch (error) {
    ports.log?.warn('catalog-not-written', { code: toAppError(error).code });
  }
}

interface LoadedCatalog {
  readonly entries: CatalogEntry[];
  readonly stored: StoredBody | null;
  /** What the catalogue should hold; null where it does. */
  readonly body: Buffer | null;
}

async function loadCatalog({ signer, store }: Needs): Promise<LoadedCatalog> {
  // The listing comes before what is read of the objects: one that changes in between does not fit its mark later.
  const marks = await marksIn(store);
  const stored = await store.read(CATALOG_NAME);
  const known = stored === null ? new Map<string, KnownEntry>() : knownIn(stored.body, signer);
  const ids = [...marks.keys()].reverse();
  const found = await pMap(ids, (id) => entryOf({ signer, store }, id, marks.get(id) ?? null, known.get(id)), {
    concurrency: SIDE_BY_SIDE,
  });
  const there = found.filter((each) => each !== null);
  const snapshots = there.flatMap(({ kept }) => (kept === null ? [] : [kept]));
  const isSame = snapshots.length === known.size && snapshots.every((each) => known.get(each.id) === each);
  const body = stored !== null && isSame ? null : encodeJson({ version: 1, accepts: signer.accepts, snapshots });
  return { entries: there.map(({ entry }) => entry), stored, body };
}

async function isWritten(store: ObjectStore, { body, stored }: LoadedCatalog): Promise<boolean> {
  if (body === null) return true;
  if (stored === null) return (await store.create(CATALOG_NAME, body)).created;
  return (await store.swap(CATALOG_NAME, body, stored.etag)) !== null;
}

/**
 * By snapshot that has a manifest, oldest first: a hash of what the listing shows of all its objects, parts too; null where
 * the store does not tell one version of an object from the next.
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

/** What a catalogue says, as far as it counts here. Signatures that were judged by other keys are judged again. */
function knownIn(body: Buffer, signer: Signer): Map<string, KnownEntry> {
  let catalog: z.infer<typeof catalogSchema>;
  try {
    catalog = catalogSchema.parse(decodeJson(body));
  } catch {
    return new Map();
  }
  if (catalog.accepts !== signer.accepts) return new Map();
  return new Map(catalog.snapshots.filter(isShown).map((entry) => [entry.id, entry]));
}

/** Whether the words of an entry could be decrypted here. */
function isShown(entry: KnownEntry): boolean {
  return !JSON.stringify(entry).includes(HIDDEN_WORDS);
}

interface Found {
  readonly entry: CatalogEntry;
  /** What the catalogue is to say of it; null for what is to be read each time. */
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
  // An object that does not count is to be met, and told of, as long as it is there.
  const counts = !ignoredIn(store).some((name) => objectsOf(id).includes(name));
  if (mark === null || entry.newerFormat || entry.refusal !== undefined || !counts) return { entry, kept: null };
  const { manifest, sealed } = entry;
  const kept = {
    id,
    mark,
    manifest: manifest === null ? null : summaryOf(manifest),
    missingParts: entry.missingParts,
    sizes: entry.sizes,
    fences: entry.fences,
    sealed: manifest === null || sealed === null ? null : verdictOn(manifest, sealed, signer),
    sha256: entry.sha256,
    verification: entry.verification,
    accepted: entry.accepted,
    adopted: entry.adopted,
  };
  return { entry, kept };
}
