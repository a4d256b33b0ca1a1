import type { DrillView } from './drill-view.js';
import { RTO_HOURS, RTO_MS } from './objectives.js';

/** Projected time of a restore of this number of keys, in milliseconds. */
interface Projection {
  readonly keys: number;
  /** Until all data is written: the time to service. */
  readonly restoredMilliseconds: number;
  /** Until every key is proven. */
  readonly provenMilliseconds: number;
}

export interface RecoveryTime {
  readonly objectiveHours: number;
  /** Whether the time to service is within the objective; null until a drill has passed. */
  readonly met: boolean | null;
  /** The time to service at today's size. */
  readonly projectedMilliseconds: number | null;
  /** The time to proof at today's size. */
  readonly projectedProvenMilliseconds: number | null;
  /** Projections for larger sizes of the database. */
  readonly projections: readonly Projection[];
  readonly lastPassed: DrillView | null;
}

/** Upstash allows this many commands a second (its documentation, "Pricing & Limits"). */
const COMMANDS_PER_SECOND = 10_000;
/** For an empty database: one command per key to write, 1.6 to prove. */
const COMMANDS_TO_RESTORE = 1;
const COMMANDS_TO_PROVE = 2.6;

const SIZES = [10_000_000, 100_000_000];

type Measured = Pick<DrillView, 'keys' | 'milliseconds' | 'restoredMilliseconds'>;

/**
 * How long a full restore of this number of keys into an empty database would take; null if the drill measured no time.
 *
 * The model: commands limit a restore, and their number grows with the number of keys. So the time of the last passed drill
 * is scaled by keys, but never below the drill's own time (part of it does not depend on the size) nor below the time that
 * the keys take at the maximum rate of commands. The model ignores keys that have grown and databases that are not empty,
 * where the plan and the safety snapshot add 3.2 commands per key. A drill of an older version measured only the time to
 * proof, which then stands for both.
 */
export function projectTime({ keys: drilled, ...measured }: Measured, keys: number): Projection | null {
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

/** `keys`: keys in the newest verified snapshot; null if there is none: the drill's own time is then used. */
export function recoveryTimeOf(lastPassed: DrillView | null, keys: number | null): RecoveryTime {
  const today = lastPassed === null ? null : projectTime(lastPassed, keys ?? lastPassed.keys);
  const met = today === null ? null : today.restoredMilliseconds <= RTO_MS;
  const grown = SIZES.map((size) => (lastPassed === null ? null : projectTime(lastPassed, size)));
  return {
    objectiveHours: RTO_HOURS,
    met,
    projectedMilliseconds: today?.restoredMilliseconds ?? null,
    projectedProvenMilliseconds: today?.provenMilliseconds ?? null,
    projections: grown.filter((projection) => projection !== null),
    lastPassed,
  };
}
