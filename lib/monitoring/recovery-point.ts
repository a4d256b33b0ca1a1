import { AppError } from '../errors.js';
import { timeOfId } from '../runs/ids.js';
import type { RunRecord } from '../runs/model.js';
import { catalog, type CatalogEntry } from '../snapshot/catalog.js';
import { isFromFuture, type OrderedRun } from '../snapshot/order.js';
import { findLatest, pickLatest, type Latest, type PassedOver } from '../snapshot/latest.js';
import { runsOf } from '../runs/recent.js';
import type { TrustContext } from '../snapshot/trust.js';
import { RPO_HOURS, RPO_MS, SNAPSHOT_AFTER_MS } from './objectives.js';

const HOUR_MS = 3_600_000;

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

/** Turns of the guard are not punctual. */
const SLACK_MS = 10 * 60_000;

/**
 * Whether the guard should wait before it takes another snapshot, because the newest ones are doubtful or incomplete and the
 * next would most likely be the same: an hour after one such snapshot, two after two, up to the usual 8 hours.
 */
export function isRepetition({ passedOver }: Pick<RecoveryPoint, 'passedOver'>, now: number): boolean {
  const other = passedOver.findIndex(({ state }) => state !== 'doubtful' && state !== 'incomplete');
  const streak = other < 0 ? passedOver.length : other;
  const ageMs = now - timeOfId(passedOver[0]?.id ?? '');
  return streak > 0 && ageMs >= 0 && ageMs < Math.min(streak * HOUR_MS, SNAPSHOT_AFTER_MS) - SLACK_MS;
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
  const ageHours = Math.round((ageMs / HOUR_MS) * 100) / 100;
  return { ...base, ageHours, ageMs, newest: latest.entry, met: ageMs < RPO_MS };
}
