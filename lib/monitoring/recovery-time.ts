import { drillHistory, type Drills, type DrillView } from './drill-view.js';
import { RTO_HOURS, RTO_MS } from './objectives.js';

/** What a restore of this number of keys would take, in milliseconds. */
export interface Projection {
  readonly keys: number;
  /** Until all data are written: the time to service. */
  readonly restoredMilliseconds: number;
  /** Until every key is proven. */
  readonly provenMilliseconds: number;
}

export interface RecoveryTime {
  readonly objectiveHours: number;
  /** Whether the time to service is within the objective. Null until a drill has passed: nothing is known before. */
  readonly met: boolean | null;
  /** The time to service at today's size. */
  readonly projectedMilliseconds: number | null;
  /** The time to proof at today's size. */
  readonly projectedProvenMilliseconds: number | null;
  /** The same for sizes that the database may grow to. */
  readonly projections: readonly Projection[];
  readonly lastPassed: DrillView | null;
}

/** Upstash lets through this many commands a second (its documentation, "Pricing & Limits"). */
const COMMANDS_PER_SECOND = 10_000;
/** Into an empty database: one command a key to write, 1.6 to prove. */
const COMMANDS_TO_RESTORE = 1;
const COMMANDS_TO_PROVE = 2.6;

const SIZES = [10_000_000, 100_000_000];

type Measured = Pick<DrillView, 'keys' | 'milliseconds' | 'restoredMilliseconds'>;

/**
 * How long it would take to have everything back in an empty database with this number of keys; null for a drill that did not
 * measure it.
 *
 * The model: commands are what limits a restore, and their number grows with the number of keys. So the time that the
 * last passed drill took is scaled by keys, never below what it took (some of it does not depend on the size) nor below
 * what the keys take at the most commands a second. It says nothing of keys that have grown, nor of a database that is not
 * empty: there the plan and the safety snapshot come to another 3.2 commands a key. A drill of an older version measured
 * the time to proof alone, which then stands for both.
 */
export function project({ keys: drilled, ...measured }: Measured, keys: number): Projection | null {
  const { milliseconds } = measured;
  if (milliseconds === null) return null;
  const scaled = (took: number, commands: number): number => {
    const least = (keys * commands * 1000) / COMMANDS_PER_SECOND;
    return Math.round(Math.max(took * Math.max(1, keys / Math.max(1, drilled)), least));
  };
  return {
    keys,
    restoredMilliseconds: scaled(measured.restoredMilliseconds ?? milliseconds, COMMANDS_TO_RESTORE),
    provenMilliseconds: scaled(milliseconds, COMMANDS_TO_PROVE),
  };
}

/** `keys`: of the newest verified snapshot; null when there is none: then the drill's own time stands. */
export function recoveryTimeOf(lastPassed: DrillView | null, keys: number | null): RecoveryTime {
  const today = lastPassed === null ? null : project(lastPassed, keys ?? lastPassed.keys);
  const met = today === null ? null : today.restoredMilliseconds <= RTO_MS;
  const grown = SIZES.map((size) => (lastPassed === null ? null : project(lastPassed, size)));
  return {
    objectiveHours: RTO_HOURS,
    met,
    projectedMilliseconds: today?.restoredMilliseconds ?? null,
    projectedProvenMilliseconds: today?.provenMilliseconds ?? null,
    projections: grown.filter((projection) => projection !== null),
    lastPassed,
  };
}

/** Reads a listing, and the drills from the newest to the last that passed. */
export async function recoveryTime(drills: Drills, keys: number | null): Promise<RecoveryTime> {
  return recoveryTimeOf((await drillHistory(drills, 0)).lastPassed, keys);
}
