import type { Ports } from '../ports/index.js';
import { timeOfId } from '../runs/ids.js';
import type { RunRecord } from '../runs/model.js';
import { recentRuns, runsOf } from '../runs/recent.js';
import { catalog, isVerified, type CatalogEntry } from '../snapshot/catalog.js';
import { AHEAD_MS, RPO_HOURS, RPO_MS } from './objectives.js';

const HOUR_MS = 3_600_000;

export interface RecoveryPoint {
  readonly objectiveHours: number;
  /** Age of the newest verified snapshot, from the beginning of its SCAN window; null when there is none. */
  readonly ageHours: number | null;
  /** The same in milliseconds, not rounded. */
  readonly ageMs: number | null;
  readonly newest: CatalogEntry | null;
  readonly met: boolean;
}

/** What the recovery point is told from, at a time. */
interface Evidence {
  readonly entries: readonly CatalogEntry[];
  readonly runs: readonly RunRecord[];
  readonly now: number;
}

/** So many of the newest runs are read to see whether the dates can be right. */
const RUNS = 16;

/**
 * How much would be lost if the database were lost now. Age counts from the start of the window: a change made after a
 * key was read is not in the snapshot. Reads two listings, 16 runs, and two objects a snapshot up to the newest good one.
 */
export async function recoveryPoint({ clock, store }: Pick<Ports, 'clock' | 'store'>): Promise<RecoveryPoint> {
  const now = clock.now();
  const runs = await recentRuns(store, { since: 0, limit: RUNS });
  const entries: CatalogEntry[] = [];
  for await (const entry of catalog(store)) {
    entries.push(entry);
    const point = recoveryPointOf({ entries, runs, now });
    // Those to come are dated before this one.
    if (point.newest !== null && begunAt(point.newest, runs) >= timeOfId(entry.id)) return point;
  }
  return recoveryPointOf({ entries, runs, now });
}

/** The same of what was read before. */
export function recoveryPointOf({ entries, runs, now }: Evidence): RecoveryPoint {
  let newest: { readonly entry: CatalogEntry; readonly begun: number } | null = null;
  for (const entry of entries.filter((each) => isReliable(each, now))) {
    const begun = begunAt(entry, runs);
    if (newest === null || begun > newest.begun) newest = { entry, begun };
  }
  return pointOf(newest, now);
}

/**
 * When a snapshot was begun, in milliseconds since the epoch: as it says itself, unless a run that was started after it
 * is dated before it, since then a clock was ahead. The fencing numbers of a lease tell the order, whatever clocks say.
 */
function begunAt({ id, manifest }: CatalogEntry, runs: readonly RunRecord[]): number {
  const own = runs.find((run) => run.id === id);
  const later = runs.filter((run) => own !== undefined && run.lease === own.lease && (run.firstFence ?? 0) > own.fence);
  const from = manifest === null ? timeOfId(id) : Date.parse(manifest.window.from);
  return Math.min(from, ...later.map((run) => timeOfId(run.id)));
}

/**
 * Whether a snapshot is dated later than our clock says it is. One of the two clocks is wrong, and as long as it is not
 * known which, its age is not known either: such a snapshot can be restored, but meets no objective.
 */
export function isFromFuture({ id, manifest }: CatalogEntry, now: number): boolean {
  const from = manifest === null ? timeOfId(id) : Date.parse(manifest.window.from);
  return Math.max(from, timeOfId(id)) > now + AHEAD_MS;
}

/** Whether a snapshot may be relied on, and its age is known. */
export function isReliable(entry: CatalogEntry, now: number): boolean {
  return isVerified(entry) && !isFromFuture(entry, now);
}

/**
 * Whether a snapshot may have been taken before one that is dated in the future: then a clock was ahead about that
 * time, and it may be older than it says. The fencing numbers of their runs tell the order, whatever the clocks say; a
 * run whose record is gone may have come at any time.
 */
export async function mayBeOlder(ports: Pick<Ports, 'clock' | 'store'>, { id }: CatalogEntry): Promise<boolean> {
  const { clock, store } = ports;
  const ahead: string[] = [];
  for await (const entry of catalog(store)) {
    if (entry.id <= id) break;
    if (isFromFuture(entry, clock.now())) ahead.push(entry.id);
  }
  if (ahead.length === 0) return false;
  const runs = await runsOf(store, [id, ...ahead]);
  const fenceOf = (run: string): number => runs.find((record) => record.id === run)?.fence ?? Number.NaN;
  return !ahead.every((run) => fenceOf(run) < fenceOf(id));
}

function pointOf(newest: { readonly entry: CatalogEntry; readonly begun: number } | null, now: number): RecoveryPoint {
  if (newest === null) return { objectiveHours: RPO_HOURS, ageHours: null, ageMs: null, newest: null, met: false };
  const ageMs = Math.max(0, now - newest.begun);
  const ageHours = Math.round((ageMs / HOUR_MS) * 100) / 100;
  return { objectiveHours: RPO_HOURS, ageHours, ageMs, newest: newest.entry, met: ageMs < RPO_MS };
}
