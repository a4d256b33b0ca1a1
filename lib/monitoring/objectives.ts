import { AppError } from '../errors.js';
import type { RunRecord } from '../runs/model.js';
import { runsOf } from '../runs/recent.js';
import { catalog, type CatalogEntry } from '../snapshot/catalog.js';
import { findLatest, type Latest, type PassedOver, pickLatest } from '../snapshot/latest.js';
import { isFromFuture, type OrderedRun } from '../snapshot/order.js';
import type { TrustContext } from '../snapshot/trust.js';
import type { DrillView } from './drill-view.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The recovery point objective: at most a day's changes may be lost at any time. */
export const RPO_HOURS = 24;
/** The recovery time objective: a full restore takes at most this long. */
export const RTO_HOURS = 4;

export const RPO_MS = RPO_HOURS * HOUR_MS;
export const RTO_MS = RTO_HOURS * HOUR_MS;

/**
 * The guard takes a snapshot when the newest trusted one is older than this. With hourly calls its age stays within 12 hours
 * even if two calls in a row are missed and the snapshot takes most of an hour.
 */
export const SNAPSHOT_AFTER_MS = 8 * HOUR_MS;
/** If the newest good snapshot is older than this, a run is missing: with two a day none is much older than 12 hours. */
export const AT_RISK_MS = 14 * HOUR_MS;
/** The guard starts a drill when the last drill with a verdict is older. */
export const DRILL_EVERY_MS = 7 * DAY_MS;
/** An older last verdict raises an alert: the guard has had two attempts by then. */
export const DRILL_OVERDUE_MS = 9 * DAY_MS;
/** A drill without a verdict is retried after this time. */
export const DRILL_RETRY_MS = DAY_MS;
/** A daily cron runs within its hour: after this long without a call it has missed its turn. */
export const CRON_SILENT_MS = 25 * HOUR_MS;
/** The queue's schedule calls hourly and retries a failed delivery once: this long without a call means two missed calls. */
export const SCHEDULE_SILENT_MS = 2.5 * HOUR_MS;
/** Results of checks expire after this time: two turns of the guard, and some time for the turn itself. */
export const STALE_MS = { hourly: 2.5 * HOUR_MS, daily: 50 * HOUR_MS } as const;

export interface RecoveryPoint {
  readonly objectiveHours: number;
  /** Age of the newest trusted snapshot, from the beginning of its SCAN window; null when there is none. */
  readonly ageHours: number | null;
  /** The same in milliseconds, not rounded. */
  readonly ageMs: number | null;
  /** The snapshot that `latest` means. */
  readonly newest: CatalogEntry | null;
  readonly met: boolean;
  /** Newer snapshots that do not count, and why. */
  readonly passedOver: readonly PassedOver[];
  /** Whether the store holds snapshots of several databases and no database is configured here. */
  readonly ambiguous: boolean;
}

/** What the recovery point is computed from. */
interface Evidence {
  /** Newest first. */
  readonly entries: readonly CatalogEntry[];
  readonly runs: readonly RunRecord[];
  /** See `runsOfEntries`. */
  readonly runsOfParts: readonly OrderedRun[];
  readonly trust: Omit<TrustContext, 'store'>;
}

/**
 * How much would be lost if the database were lost now. Age counts from the start of the window: a change made after a
 * key was read is not in the snapshot. Reads two listings, 16 runs, and two objects per snapshot down to the newest good one.
 */
export async function recoveryPoint(context: TrustContext): Promise<RecoveryPoint> {
  const now = context.clock.now();
  try {
    return pointOf(await findLatest(context), now);
  } catch (error) {
    if (error instanceof AppError && error.code === 'usage') return pointOf(null, now);
    throw error;
  }
}

/** Whether it is too early for the guard to take another snapshot. */
export function isYoung({ ageMs }: Pick<RecoveryPoint, 'ageMs'>): boolean {
  return ageMs !== null && ageMs < SNAPSHOT_AFTER_MS;
}

/** The recovery point from facts already read. */
export function recoveryPointOf({ entries, runs, runsOfParts, trust }: Evidence): RecoveryPoint {
  return pointOf(pickLatest(entries, [...runs, ...runsOfParts], trust), trust.clock.now());
}

/**
 * Whether a snapshot may be older than its date: it was taken before a snapshot dated in the future, so a clock was ahead
 * about that time. The fencing numbers of the runs give their order independently of clocks; a run without a record may
 * have started at any time.
 */
export async function mayBeOlder({ clock, store }: TrustContext, { id }: CatalogEntry): Promise<boolean> {
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

function pointOf(latest: Latest | null, now: number): RecoveryPoint {
  const base = { objectiveHours: RPO_HOURS, passedOver: latest?.passedOver ?? [], ambiguous: latest === null };
  if (latest === null || latest.entry === null)
    return { ...base, ageHours: null, ageMs: null, newest: null, met: false };
  const ageMs = Math.max(0, now - latest.begun);
  // A young snapshot's age is shown in seconds.
  const unit = ageMs < HOUR_MS ? 1e5 : 100;
  const ageHours = Math.round((ageMs / HOUR_MS) * unit) / unit;
  return { ...base, ageHours, ageMs, newest: latest.entry, met: ageMs < RPO_MS };
}

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
