import pMap from 'p-map';
import { ignoredObjectsIn, type IgnoredObject } from '../control/authenticated-store.js';
import type { Ports } from '../ports/index.js';
import type { RunRecord } from '../runs/model.js';
import { isOver } from '../runs/ending.js';
import { listLeases, readLease } from '../runs/lease-document.js';
import { recentRuns } from '../runs/recent.js';
import { catalogEntry, snapshotIds, type CatalogEntry } from '../snapshot/catalog.js';
import type { Manifest } from '../snapshot/manifest.js';
import { DATABASE_LEASE } from '../snapshot/run.js';
import type { TrustContext } from '../snapshot/trust.js';
import { unfinishedOf, type Unfinished } from '../snapshot/unfinished-marks.js';
import { drillHistory, settled, type DrillHistory, type Drills } from './drill-view.js';

/** A run of which nothing was heard for so long is not under way. */
const SILENT_MS = 15 * 60_000;
const DAY_MS = 24 * 3_600_000;
const WINDOW_MS = 7 * DAY_MS;
const MOST_RUNS = 60;
const DRILLS = 10;
/** Snapshots read at a time. */
const SIDE_BY_SIDE = 16;

/** What stands in the store, as conditions and the status are judged by it. */
export interface Facts extends DrillHistory {
  readonly now: number;
  /** All snapshots, newest first. */
  readonly entries: readonly CatalogEntry[];
  /** Of the last week, newest first. */
  readonly runs: readonly RunRecord[];
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
}

/**
 * Reads four listings, the leases, two objects a snapshot (16 snapshots at a time), one for each of the last 60 runs at most, and
 * ten drills or as many as it takes to find one that passed.
 */
export async function gatherFacts(context: TrustContext, drills: Drills): Promise<Facts> {
  const { clock, own, store } = context;
  const now = clock.now();
  const [entries, runs, history, unfinished, leases] = await Promise.all([
    allEntries({ store }),
    recentRuns(store, { since: now - WINDOW_MS, limit: MOST_RUNS }),
    drillHistory(drills, DRILLS),
    own === null ? [] : unfinishedOf(store, own),
    unreadableLeases(store),
  ]);
  const trust = context;
  const restoring = await underWay(context, runs, unfinished);
  return {
    now,
    entries,
    runs,
    trust,
    unfinished,
    restoring,
    unreadableLeases: leases,
    ignored: ignoredBesideLeases(store),
    ...history,
    drills: history.drills.map((drill) => settled(drill, runs, now)),
  };
}

/** The newest backup of the protected database, complete or not. */
export function newestBackup({ entries, trust }: Pick<Facts, 'entries' | 'trust'>): Manifest | null {
  const isOwn = ({ manifest }: CatalogEntry): boolean =>
    manifest !== null && manifest.purpose === undefined && (trust.sources?.has(manifest.source) ?? true);
  return entries.find(isOwn)?.manifest ?? null;
}

export async function unreadableLeases(store: Ports['store']): Promise<string[]> {
  return (await listLeases(store)).filter(({ document }) => document === null).map(({ name }) => name);
}

/** Those of leases have an alert of their own. */
function ignoredBesideLeases(store: Ports['store']): IgnoredObject[] {
  return ignoredObjectsIn(store).filter(({ object }) => !object.startsWith('leases/'));
}

async function allEntries({ store }: Pick<Ports, 'store'>): Promise<CatalogEntry[]> {
  const ids = (await snapshotIds(store)).reverse();
  const entries = await pMap(ids, (id) => catalogEntry(store, id), { concurrency: SIDE_BY_SIDE });
  return entries.filter((entry) => entry !== null);
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
