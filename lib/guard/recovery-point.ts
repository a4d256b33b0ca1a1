import type { Ports } from '../ports/index.js';
import { newestVerified, type CatalogEntry } from '../snapshot/catalog.js';

/** The data-loss objective: at no time may more than a day's changes be lost. */
export const RPO_HOURS = 24;

const HOUR_MS = 3_600_000;

export interface RecoveryPoint {
  readonly objectiveHours: number;
  /** Age of the newest verified snapshot, from the beginning of its SCAN window; null when there is none. */
  readonly ageHours: number | null;
  readonly newest: CatalogEntry | null;
  readonly met: boolean;
}

/**
 * How much would be lost if the database were lost now. Age counts from the start of the window: a change made after a
 * key was read is not in the snapshot.
 */
export async function recoveryPoint(ports: Pick<Ports, 'clock' | 'store'>): Promise<RecoveryPoint> {
  const newest = await newestVerified(ports.store);
  if (newest?.manifest == null) return { objectiveHours: RPO_HOURS, ageHours: null, newest: null, met: false };
  const age = (ports.clock.now() - Date.parse(newest.manifest.window.from)) / HOUR_MS;
  const ageHours = Math.round(age * 100) / 100;
  return { objectiveHours: RPO_HOURS, ageHours, newest, met: age < RPO_HOURS };
}
