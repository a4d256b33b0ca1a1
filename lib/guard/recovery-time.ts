import { drillHistory, type Drills, type DrillView } from './drill-view.js';
import { RTO_HOURS, RTO_MS } from './objectives.js';

export interface RecoveryTime {
  readonly objectiveHours: number;
  /** Null until a drill has passed: nothing is known before. */
  readonly met: boolean | null;
  readonly projectedMilliseconds: number | null;
  readonly lastPassed: DrillView | null;
}

/** Upstash lets through so many commands a second (its documentation, "Pricing & Limits"). */
const COMMANDS_PER_SECOND = 10_000;
/** Into an empty database: one command a key to write, 1.6 to prove. */
const COMMANDS_PER_KEY = 2.6;

/**
 * How long it would take to have everything back in an empty database, at the size of the newest snapshot.
 *
 * The model: commands are what limits a restore, and their number grows with the number of keys. So the time that the
 * last passed drill took is scaled by keys, never below what it took (some of it does not depend on the size) nor below
 * what the keys take at the most commands a second. It says nothing of keys that have grown, nor of a database that is not
 * empty: there the plan and the safety snapshot come to another 3.2 commands a key.
 */
export function projectedMs(lastPassed: Pick<DrillView, 'keys' | 'milliseconds'>, keys: number): number | null {
  const { keys: drilled, milliseconds } = lastPassed;
  if (milliseconds === null) return null;
  const scaled = milliseconds * Math.max(1, keys / Math.max(1, drilled));
  const least = (keys * COMMANDS_PER_KEY * 1000) / COMMANDS_PER_SECOND;
  return Math.round(Math.max(scaled, least));
}

/** `keys`: of the newest verified snapshot; null when there is none: then the drill's own time stands. */
export function recoveryTimeOf(lastPassed: DrillView | null, keys: number | null): RecoveryTime {
  const projectedMilliseconds = lastPassed === null ? null : projectedMs(lastPassed, keys ?? lastPassed.keys);
  const met = projectedMilliseconds === null ? null : projectedMilliseconds <= RTO_MS;
  return { objectiveHours: RTO_HOURS, met, projectedMilliseconds, lastPassed };
}

/** Reads a listing, and the drills from the newest to the last that passed. */
export async function recoveryTime(drills: Drills, keys: number | null): Promise<RecoveryTime> {
  return recoveryTimeOf((await drillHistory(drills, 0)).lastPassed, keys);
}
