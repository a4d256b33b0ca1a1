import type { Ports } from '../ports/index.js';
import { timeOfId } from '../runs/ids.js';
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

/**
 * How much would be lost if the database were lost now. Age counts from the start of the window: a change made after a
 * key was read is not in the snapshot. Reads a listing, and two objects a snapshot up to the newest good one.
 */
export async function recoveryPoint({ clock, store }: Pick<Ports, 'clock' | 'store'>): Promise<RecoveryPoint> {
  const now = clock.now();
  for await (const entry of catalog(store)) if (isReliable(entry, now)) return pointOf(entry, now);
  return pointOf(null, now);
}

/** The same of entries that were read before, newest first. */
export function recoveryPointOf(entries: readonly CatalogEntry[], now: number): RecoveryPoint {
  return pointOf(entries.find((entry) => isReliable(entry, now)) ?? null, now);
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

function pointOf(newest: CatalogEntry | null, now: number): RecoveryPoint {
  if (newest?.manifest == null) {
    return { objectiveHours: RPO_HOURS, ageHours: null, ageMs: null, newest: null, met: false };
  }
  const ageMs = Math.max(0, now - Date.parse(newest.manifest.window.from));
  const ageHours = Math.round((ageMs / HOUR_MS) * 100) / 100;
  return { objectiveHours: RPO_HOURS, ageHours, ageMs, newest, met: ageMs < RPO_MS };
}
