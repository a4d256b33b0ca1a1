import pMap from 'p-map';
import type { Ports } from '../ports/index.js';
import type { RunRecord } from '../runs/model.js';
import { recentRuns } from '../runs/recent.js';
import { catalogEntry, snapshotIds, type CatalogEntry } from '../snapshot/catalog.js';
import { drillHistory, settled, type DrillHistory, type Drills } from './drill-view.js';

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
}

/**
 * Reads three listings, two objects a snapshot (16 snapshots at a time), one for each of the last 60 runs at most, and
 * ten drills or as many as it takes to find one that passed.
 */
export async function gatherFacts({ clock, store }: Pick<Ports, 'clock' | 'store'>, drills: Drills): Promise<Facts> {
  const now = clock.now();
  const [entries, runs, history] = await Promise.all([
    allEntries({ store }),
    recentRuns(store, { since: now - WINDOW_MS, limit: MOST_RUNS }),
    drillHistory(drills, DRILLS),
  ]);
  return { now, entries, runs, ...history, drills: history.drills.map((drill) => settled(drill, runs, now)) };
}

async function allEntries({ store }: Pick<Ports, 'store'>): Promise<CatalogEntry[]> {
  const ids = (await snapshotIds(store)).reverse();
  const entries = await pMap(ids, (id) => catalogEntry(store, id), { concurrency: SIDE_BY_SIDE });
  return entries.filter((entry) => entry !== null);
}
