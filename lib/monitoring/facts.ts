import { ignoredObjectsIn, type IgnoredObject } from '../control/authenticated-store.js';
import type { Ports } from '../ports/index.js';
import { timeOfId } from '../runs/ids.js';
import type { RunRecord } from '../runs/model.js';
import { isOver } from '../runs/ending.js';
import { listLeases, readLease } from '../runs/lease-document.js';
import { recentOf, runIds } from '../runs/recent.js';
import type { CatalogEntry } from '../snapshot/catalog.js';
import { listEntries } from '../snapshot/catalog-object.js';
import { MOST_RUNS as MOST_IN_ORDER, runsOfEntries, type OrderedRun } from '../snapshot/order.js';
import { purposeOf } from '../snapshot/manifest.js';
import { DATABASE_LEASE } from '../snapshot/run.js';
import type { ManifestSummary } from '../snapshot/summary.js';
import type { TrustContext } from '../snapshot/trust.js';
import { loadIndexModels, type IndexModels } from '../soulcaster/index-models.js';
import { unfinishedOf, type Unfinished } from '../snapshot/unfinished-marks.js';
import { drillHistory, withRunOutcome, type DrillHistory, type Drills } from './drill-view.js';

/** A run of which nothing was heard for so long is not under way. */
const SILENT_MS = 15 * 60_000;
const DAY_MS = 24 * 3_600_000;
const WINDOW_MS = 7 * DAY_MS;
const MOST_RUNS = 60;
const DRILLS = 10;

/** What stands in the store, as conditions and the status are judged by it. */
export interface Facts extends DrillHistory {
  readonly now: number;
  /** All snapshots, newest first. */
  readonly entries: readonly CatalogEntry[];
  /** Of the last week, newest first; those of other databases that are saved in the same store are not among them. */
  readonly runs: readonly RunRecord[];
  /** Whether there were more runs in the week than `runs` holds: then earlier ones are not among them. */
  readonly hasMoreRuns: boolean;
  /** What the names of the snapshots' parts tell of their runs. */
  readonly told: readonly OrderedRun[];
  /** What snapshots are judged by. */
  readonly trust: Omit<TrustContext, 'store'>;
  /** Restores of the protected database that are not known to have ended well. */
  readonly unfinished: readonly Unfinished[];
  /** The run among them that is under way; null when none is. */
  readonly restoring: string | null;
  /** Leases that cannot be read. */
  readonly unreadableLeases: readonly string[];
  /** Other control objects that were met so far and do not count. */
  readonly ignored: readonly IgnoredObject[];
  /** What the vectors of each namespace were made with. */
  readonly models: IndexModels;
}

/**
 * Reads four listings, the catalogue and what changed since it was written, the leases, the models of the index, one object
 * for each of the last 60 runs at most, and ten drills or as many as it takes to find one that passed.
 */
export async function gatherFacts(context: TrustContext, drills: Drills): Promise<Facts> {
  const { clock, own, store } = context;
  const now = clock.now();
  const since = now - WINDOW_MS;
  const listed = runIds(store);
  const [entries, ids, recent, history, unfinished, leases, models] = await Promise.all([
    listEntries(context),
    listed,
    listed.then((all) => recentOf(store, all, { since, limit: MOST_RUNS })),
    drillHistory(drills, DRILLS),
    own === null ? [] : unfinishedOf(store, own),
    unreadableLeases(store),
    loadIndexModels(store),
  ]);
  const trust = context;
  const runs = recent.filter(({ source }) => source === null || (context.sources?.has(source) ?? true));
  const restoring = await underWay(context, runs, unfinished);
  return {
    now,
    entries,
    runs,
    hasMoreRuns: ids.filter((id) => timeOfId(id) >= since).length > MOST_RUNS,
    told: runsOfEntries(entries.slice(0, MOST_IN_ORDER), context.signer, ids),
    trust,
    unfinished,
    restoring,
    unreadableLeases: leases,
    models,
    ignored: ignoredBesideLeases(store),
    ...history,
    drills: history.drills.map((drill) => withRunOutcome(drill, runs, now)),
  };
}

/** The newest backup of the protected database, complete or not. */
export function newestBackup({ entries, trust }: Pick<Facts, 'entries' | 'trust'>): ManifestSummary | null {
  const isOwn = ({ manifest }: CatalogEntry): boolean =>
    manifest !== null && purposeOf(manifest) === 'backup' && (trust.sources?.has(manifest.source) ?? true);
  return entries.find(isOwn)?.manifest ?? null;
}

export async function unreadableLeases(store: Ports['store']): Promise<string[]> {
  return (await listLeases(store)).filter(({ document }) => document === null).map(({ name }) => name);
}

/** Those of leases have their own alert. */
function ignoredBesideLeases(store: Ports['store']): IgnoredObject[] {
  return ignoredObjectsIn(store).filter(({ object }) => !object.startsWith('leases/'));
}

/** A restore that has the database and was heard of lately is not unfinished but under way. */
async function underWay(
  { clock, store }: TrustContext,
  runs: readonly RunRecord[],
  marks: readonly Unfinished[],
): Promise<string | null> {
  if (marks.length === 0) return null;
  const holder = (await readLease(store, DATABASE_LEASE)).document?.holder;
  const run = runs.find(({ id }) => id === holder);
  const isHeardOf = run !== undefined && !isOver(run) && clock.now() - Date.parse(run.updatedAt) < SILENT_MS;
  return isHeardOf && marks.some((mark) => mark.run === run.id) ? run.id : null;
}
