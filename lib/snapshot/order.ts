import pMap from 'p-map';
import { AppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { isId, timeOfId } from '../runs/ids.js';
import type { RunRecord } from '../runs/model.js';
import { recentRuns, runsOf } from '../runs/recent.js';
import { refusalIn, type CatalogEntry } from './catalog.js';
import { loadManifest, purposeOf } from './manifest.js';
import { DATABASE_LEASE, SNAPSHOTS_PREFIX } from './names.js';
import { fencesOf } from './sizes.js';
import { verifySignature } from './summary.js';

/** A snapshot dated further ahead of our clock than this counts as dated in the future. */
export const AHEAD_MS = 5 * 60_000;

/** The number of newest snapshots, and of newest runs, by which dates are checked. */
export const MOST_RUNS = 16;

/** The order of runs: each claim of a lease has a higher fencing number than the claims before. */
export type OrderedRun = Pick<RunRecord, 'id' | 'lease' | 'fence' | 'firstFence'>;

/**
 * Reads the input of `begunAt`: the newest runs, and the runs that took the newest snapshots. For a snapshot whose run has no
 * record in this store, the fencing numbers are taken from the names of its parts.
 */
export async function runsForOrder({ signer, store }: Pick<Ports, 'signer' | 'store'>): Promise<OrderedRun[]> {
  const recent = await recentRuns(store, { since: 0, limit: MOST_RUNS });
  const known = new Set(recent.map(({ id }) => id));
  const others: string[] = [];
  for await (const id of store.folders(SNAPSHOTS_PREFIX)) if (isId(id) && !known.has(id)) others.push(id);
  const ids = others.slice(-MOST_RUNS);
  const own = await runsOf(store, ids);
  const recorded = new Set(own.map(({ id }) => id));
  const manifests = await pMap(
    ids.filter((id) => !recorded.has(id)),
    (id) => loadManifest(store, id).catch(nullIfUnreadable),
    { concurrency: MOST_RUNS },
  );
  return [
    ...recent,
    ...own,
    ...manifests.flatMap((loaded) =>
      loaded === null ? [] : runOf({ ...loaded, fences: fencesOf(loaded.manifest) }, signer, OTHER_LEASE),
    ),
  ];
}

function nullIfUnreadable(error: unknown): null {
  if (error instanceof AppError && (error.code === 'damaged' || error.code === 'newer-format')) return null;
  if (refusalIn(error) !== null) return null;
  throw error;
}

/** The runs that took these snapshots, by the names of their parts. `ids`: the runs of this store. Reads nothing. */
export function runsOfEntries(
  entries: readonly CatalogEntry[],
  signer: Ports['signer'],
  ids: readonly string[],
): OrderedRun[] {
  const recorded = new Set(ids);
  return entries.flatMap((entry) => runOf(entry, signer, recorded.has(entry.id) ? DATABASE_LEASE : OTHER_LEASE));
}

/** Replaces the lease of a run without a record in this store: its fencing numbers may be of another store. */
const OTHER_LEASE = 'elsewhere';

/**
 * Empty for a snapshot without parts or without a valid signature. Also for safety snapshots, which may have used the lease of
 * a target, and for imports, which use no lease.
 */
function runOf(
  { fences, manifest, sealed }: Pick<CatalogEntry, 'fences' | 'manifest' | 'sealed'>,
  signer: Ports['signer'],
  lease: string,
): OrderedRun[] {
  if (manifest === null || sealed === null || fences === null || purposeOf(manifest) !== 'backup') return [];
  const { fits, signature } = verifySignature(manifest, sealed, signer);
  if (!fits || signature === false) return [];
  const [firstFence, fence] = fences;
  return [{ id: manifest.id, lease, firstFence, fence }];
}

/**
 * When a snapshot was begun, in milliseconds since the epoch: its own date, unless a run that started after it is dated
 * before it, because a clock was ahead. The fencing numbers of a lease give the order independently of clocks.
 */
export function begunAt({ id, manifest }: Pick<CatalogEntry, 'id' | 'manifest'>, runs: readonly OrderedRun[]): number {
  const own = runs.find((run) => run.id === id);
  const later = runs.filter((run) => own !== undefined && run.lease === own.lease && (run.firstFence ?? 0) > own.fence);
  const from = manifest === null ? timeOfId(id) : Date.parse(manifest.window.from);
  // One millisecond before the later run, so that the later run is the newer one.
  return Math.min(from, ...later.map((run) => timeOfId(run.id) - 1));
}

/** How far ahead of our clock a snapshot is dated, in milliseconds; 0 or less when it is not. NaN for an invalid date. */
export function aheadBy({ id, manifest }: Pick<CatalogEntry, 'id' | 'manifest'>, now: number): number {
  const from = manifest === null ? timeOfId(id) : Date.parse(manifest.window.from);
  return Math.max(from, timeOfId(id)) - now;
}

/**
 * Whether a snapshot is dated after the present by our clock. One of the two clocks is wrong, and while it is unknown which,
 * the age is unknown: the snapshot can be restored, but is not `latest` and meets no objective.
 */
export function isFromFuture(entry: Pick<CatalogEntry, 'id' | 'manifest'>, now: number): boolean {
  return !(aheadBy(entry, now) <= AHEAD_MS);
}
