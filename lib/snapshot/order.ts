import pMap from 'p-map';
import { AppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { isId, timeOfId } from '../runs/ids.js';
import type { RunRecord } from '../runs/model.js';
import { recentRuns, runsOf } from '../runs/recent.js';
import { refusalIn, type CatalogEntry } from './catalog.js';
import { loadManifest, purposeOf, fencesOf } from './manifest.js';
import { DATABASE_LEASE, SNAPSHOTS_PREFIX } from './names.js';
import { verifySignature } from './summary.js';

/** A snapshot dated further ahead of our clock than this counts as dated in the future. */
export const AHEAD_MS = 5 * 60_000;

/** The number of newest snapshots, and of newest runs, by which dates are checked. */
export const MOST_RUNS = 16;

/** The order of runs: within one count (`series`), each claim of a lease has a higher fencing number than the claims before. */
export type OrderedRun = Pick<RunRecord, 'id' | 'lease' | 'fence' | 'firstFence'> &
  Partial<Pick<RunRecord, 'series' | 'source'>>;

/**
 * Reads the input of `orderOf`: the newest runs, and the runs that took the newest snapshots. For a snapshot whose run has no
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
  if (manifest === null || sealed === null || purposeOf(manifest) !== 'backup') return [];
  const { fits, signature } = verifySignature(manifest, sealed, signer);
  if (!fits || signature === false) return [];
  const { id, order, source } = manifest;
  const [first, last] = fences ?? [order?.fence, order?.fence];
  if (first === undefined || last === undefined) return [];
  if (order === undefined) return [{ id, lease, source, firstFence: first, fence: last }];
  return [{ id, lease, source, series: order.series, firstFence: order.fence, fence: Math.max(last, order.fence) }];
}

/** What fencing numbers and dates together say of the order of snapshots. */
export interface Order {
  /**
   * When a snapshot was begun, in milliseconds since the epoch: as it says itself, unless a later run whose date is believed is
   * dated before it, since then a clock was ahead.
   */
  begunAt(entry: Dated): number;
  /**
   * Like `begunAt` for the age of a snapshot, which must not be too low: every later run that is dated before the snapshot counts, until
   * a run after that one is dated after the snapshot again.
   */
  begunAtLatest(entry: Dated): number;
  /** When a snapshot was finished at the latest; Infinity where its clock was behind and nothing came after it. */
  doneBy(entry: Dated): number;
  /** Whether the first was begun after the second; null where the numbers do not tell. */
  follows(id: string, other: string): boolean | null;
  /** Whether a run that is dated before the first was begun after the second. */
  isFollowedBefore(id: string, other: string): boolean;
}

type Dated = Pick<CatalogEntry, 'id' | 'manifest'>;

/**
 * The order of the runs, and of the snapshots that they took:
 *
 * 1. Within one count, the fencing numbers tell the order. A count is named by its `series`: each lease has one, and begins a new
 *    one where neither the lease nor a run record that is believed says how far it had come: in another store, or after a
 *    signing key was lost. Numbers of two counts say nothing about each other; there the dates decide.
 * 2. Dates that contradict the order are the work of a wrong clock. Those are believed that belong to the longest row of runs
 *    whose dates ascend with their numbers: one clock that was wrong is outvoted by those before and after it. A date that is still to
 *    come is never among them.
 * 3. Where two rows are equally long, `doubt` decides: `ahead` takes the earlier run's clock for the wrong one, so that
 *    no snapshot counts as younger than it may be; `behind` the later run's, so that no snapshot counts as taken before a time
 *    that it may have been taken after.
 */
export function orderOf(runs: readonly OrderedRun[], now: number, doubt: 'ahead' | 'behind' = 'ahead'): Order {
  const placed = new Map<string, OrderedRun>();
  for (const run of runs) if (!placed.has(run.id)) placed.set(run.id, run);
  const byCount = new Map<string, OrderedRun[]>();
  for (const run of placed.values()) {
    const row = byCount.get(countOf(run));
    if (row === undefined) byCount.set(countOf(run), [run]);
    else row.push(run);
  }
  const believed = new Map([...byCount].map(([count, row]) => [count, ascending(row, now, doubt)] as const));
  const around = (id: string): Around | null => {
    const own = placed.get(id);
    if (own === undefined) return null;
    const row = believed.get(countOf(own)) ?? [];
    const before = row.filter((run) => run.firstFence < (own.firstFence ?? 0));
    return { own, before, after: row.filter((run) => run.firstFence > own.fence) };
  };
  const follows = (id: string, other: string): boolean | null => {
    const [one, two] = [placed.get(id), placed.get(other)];
    if (one === undefined || two === undefined || countOf(one) !== countOf(two)) return null;
    if ((one.firstFence ?? 0) > two.fence) return true;
    return (two.firstFence ?? 0) > one.fence ? false : null;
  };
  return {
    follows,
    // Before the later run, not with it: of the two the later one is the newer.
    begunAt: (entry) => Math.min(datedAt(entry), ...(around(entry.id)?.after ?? []).map((run) => timeOfId(run.id) - 1)),
    begunAtLatest: (entry) => {
      const from = datedAt(entry);
      const own = placed.get(entry.id);
      if (own === undefined) return from;
      // The clocks of another database's deployment say nothing about the clock of this one.
      const isOther = ({ source }: OrderedRun): boolean =>
        source != null && own.source != null && source !== own.source;
      const row = byCount.get(countOf(own)) ?? [];
      const later = row.filter((run) => (run.firstFence ?? 0) > own.fence && !isOther(run));
      const confirms = (run: OrderedRun): boolean => timeOfId(run.id) >= from && timeOfId(run.id) <= now + AHEAD_MS;
      const confirmed = Math.max(0, ...later.filter(confirms).map(({ firstFence }) => firstFence ?? 0));
      const unrefuted = later.filter((run) => run.fence >= confirmed);
      return Math.min(from, ...unrefuted.map((run) => timeOfId(run.id) - 1));
    },
    doneBy: ({ id, manifest }) => {
      const to = Date.parse(manifest?.window.to ?? '');
      const { after = [], before = [], own = null } = around(id) ?? {};
      const wasBehind = own !== null && timeOfId(id) <= now && before.some((run) => timeOfId(run.id) > timeOfId(id));
      return wasBehind ? Math.min(Infinity, ...after.map((run) => timeOfId(run.id))) : to;
    },
    isFollowedBefore: (id, other) => [...placed.keys()].some((run) => run < id && follows(run, other) === true),
  };
}

interface Around {
  readonly own: OrderedRun;
  /** Those of the same count whose dates are believed. */
  readonly before: readonly Numbered[];
  readonly after: readonly Numbered[];
}

type Numbered = OrderedRun & { readonly firstFence: number };

/** Runs of older versions name no count: those of one lease in one store are taken for one. */
function countOf({ lease, series }: OrderedRun): string {
  return series ?? `of ${lease}`;
}

/** The longest row of runs whose dates ascend with their numbers. Of two that are as long, the one that `doubt` says. */
function ascending(runs: readonly OrderedRun[], now: number, doubt: 'ahead' | 'behind'): Numbered[] {
  const row = runs
    .flatMap((run) => (run.firstFence === null ? [] : [{ ...run, firstFence: run.firstFence }]))
    .filter(({ id }) => timeOfId(id) <= now + AHEAD_MS)
    .sort((a, b) => a.firstFence - b.firstFence || (a.id < b.id ? -1 : 1));
  return doubt === 'ahead' ? longest(row, 1) : longest(row.reverse(), -1).reverse();
}

/** Patience sorting: of rows that are equally long it keeps the one whose end comes latest. `way`: -1 for dates that descend. */
function longest(row: readonly Numbered[], way: 1 | -1): Numbered[] {
  interface Link {
    readonly run: Numbered;
    readonly value: number;
    readonly before: Link | null;
  }
  const ends: Link[] = [];
  for (const run of row) {
    const value = way * timeOfId(run.id);
    const at = ends.findIndex((end) => end.value > value);
    const length = at === -1 ? ends.length : at;
    ends[length] = { run, value, before: ends[length - 1] ?? null };
  }
  const found: Numbered[] = [];
  for (let link = ends.at(-1) ?? null; link !== null; link = link.before) found.unshift(link.run);
  return found;
}

/** When a snapshot says that it was begun, in milliseconds since the epoch. NaN for an invalid date. */
function datedAt({ id, manifest }: Dated): number {
  return manifest === null ? timeOfId(id) : Date.parse(manifest.window.from);
}

/** How far ahead of our clock a snapshot is dated, in milliseconds; 0 or less when it is not. NaN for an invalid date. */
export function aheadBy(entry: Dated, now: number): number {
  return Math.max(datedAt(entry), timeOfId(entry.id)) - now;
}

/**
 * Whether a snapshot is dated after the present by our clock. One of the two clocks is wrong, and while it is unknown which,
 * the age is unknown: the snapshot can be restored, but is not `latest` and meets no objective.
 */
export function isFromFuture(entry: Dated, now: number): boolean {
  return !(aheadBy(entry, now) <= AHEAD_MS);
}
