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
import { verdictOn } from './summary.js';

/** So far ahead of ours another clock may be, before what it wrote counts as dated in the future. */
export const AHEAD_MS = 5 * 60_000;

/** This many of the newest snapshots, and of the newest runs, are looked at to see whether the dates can be right. */
export const MOST_RUNS = 16;

/** What tells the order of runs: each claim of a lease has a higher fencing number than those before. */
export type OrderedRun = Pick<RunRecord, 'id' | 'lease' | 'fence' | 'firstFence'>;

/**
 * What `begunAt` needs: the newest runs, and those that took the newest snapshots, however many came after them. Of a
 * snapshot whose run has no record any more, or none in this store, the names of its parts tell the fencing numbers.
 */
export async function runsForOrder({ signer, store }: Pick<Ports, 'signer' | 'store'>): Promise<OrderedRun[]> {
  const recent = await recentRuns(store, { since: 0, limit: MOST_RUNS });
  const known = new Set(recent.map(({ id }) => id));
  const others: string[] = [];
  for await (const id of store.folders(SNAPSHOTS_PREFIX)) if (isId(id) && !known.has(id)) others.push(id);
  const ids = others.slice(-MOST_RUNS);
  const own = await runsOf(store, ids);
  const recorded = new Set(own.map(({ id }) => id));
  const told = await pMap(
    ids.filter((id) => !recorded.has(id)),
    (id) => loadManifest(store, id).catch(unreadable),
    { concurrency: MOST_RUNS },
  );
  return [
    ...recent,
    ...own,
    ...told.flatMap((loaded) =>
      loaded === null ? [] : runOf({ ...loaded, fences: fencesOf(loaded.manifest) }, signer, ELSEWHERE),
    ),
  ];
}

function unreadable(error: unknown): null {
  if (error instanceof AppError && (error.code === 'damaged' || error.code === 'newer-format')) return null;
  if (refusalIn(error) !== null) return null;
  throw error;
}

/** The runs that took snapshots, as far as the names of their parts tell. `ids`: of the runs of this store. Reads nothing. */
export function runsOfEntries(
  entries: readonly CatalogEntry[],
  signer: Ports['signer'],
  ids: readonly string[],
): OrderedRun[] {
  const recorded = new Set(ids);
  return entries.flatMap((entry) => runOf(entry, signer, recorded.has(entry.id) ? DATABASE_LEASE : ELSEWHERE));
}

/** In the place of the lease of a run that has no record in this store: its number may be of another store's count. */
const ELSEWHERE = 'elsewhere';

/**
 * None where it has no part, or where nobody vouches for their names; nor of what a restore saved, which may have gone by the
 * lease of its target, and of imports, which go by none.
 */
function runOf(
  { fences, manifest, sealed }: Pick<CatalogEntry, 'fences' | 'manifest' | 'sealed'>,
  signer: Ports['signer'],
  lease: string,
): OrderedRun[] {
  if (manifest === null || sealed === null || fences === null || purposeOf(manifest) !== 'backup') return [];
  const { fits, signature } = verdictOn(manifest, sealed, signer);
  if (!fits || signature === false) return [];
  const [firstFence, fence] = fences;
  return [{ id: manifest.id, lease, firstFence, fence }];
}

/**
 * When a snapshot was begun, in milliseconds since the epoch: as it says itself, unless a run that was started after it
 * is dated before it, since then a clock was ahead. The fencing numbers of a lease tell the order, whatever clocks say.
 */
export function begunAt({ id, manifest }: Pick<CatalogEntry, 'id' | 'manifest'>, runs: readonly OrderedRun[]): number {
  const own = runs.find((run) => run.id === id);
  const later = runs.filter((run) => own !== undefined && run.lease === own.lease && (run.firstFence ?? 0) > own.fence);
  const from = manifest === null ? timeOfId(id) : Date.parse(manifest.window.from);
  // Before it, not with it: of the two the later one is the newer.
  return Math.min(from, ...later.map((run) => timeOfId(run.id) - 1));
}

/** How far ahead of our clock a snapshot is dated, in milliseconds; 0 or less when it is not. NaN where it has no time. */
export function aheadBy({ id, manifest }: Pick<CatalogEntry, 'id' | 'manifest'>, now: number): number {
  const from = manifest === null ? timeOfId(id) : Date.parse(manifest.window.from);
  return Math.max(from, timeOfId(id)) - now;
}

/**
 * Whether a snapshot is dated later than our clock says it is. One of the two clocks is wrong, and as long as it is not
 * known which, its age is not known either: such a snapshot can be restored, but is not `latest` and meets no objective.
 */
export function isFromFuture(entry: Pick<CatalogEntry, 'id' | 'manifest'>, now: number): boolean {
  return !(aheadBy(entry, now) <= AHEAD_MS);
}
