import { AHEAD_MS } from '../snapshot/order.js';
import { isOver, type RunRecord } from '../runs/model.js';

/** The fields of a drill's record that objectives and alerts use. */
export interface DrillView {
  readonly id: string;
  /** The source of the protected database; null or absent in records of older versions. */
  readonly source?: string | null;
  readonly outcome: 'started' | 'passed' | 'failed' | 'inconclusive';
  readonly reason: string | null;
  readonly snapshot: string | null;
  readonly keys: number;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  /** Time until the proof was complete. */
  readonly milliseconds: number | null;
  /** Time until all data was written; null or absent in records of older versions. */
  readonly restoredMilliseconds?: number | null;
}

export const DRILL_COMMAND = 'npx soulcaster-backup drill --env-file .env';
/** For drills that an operator has to start: without --local the functions would work on the run. */
export const LOCAL_DRILL_COMMAND = 'npx soulcaster-backup drill --local --env-file .env';
/** Why the guard does not start drills. */
export const DRILLED_ELSEWHERE =
  'Snapshots are encrypted and the functions have no age identity, so drill on a machine that has the identity';

/** The records of drills, newest first. */
export type Drills = () => AsyncIterable<DrillView>;
/** Whether a run or a drill is of the protected database; `snapshot` is the one that it took or used. */
export type IsOwn = (record: Pick<DrillView, 'snapshot' | 'source'>) => Promise<boolean>;

/** Reason of a drill whose record says `started` although its run is over. */
const BROKE_OFF = 'it stopped before it reached a verdict';
const LONG_MS = 24 * 3_600_000;
/** Number of records to search for the last passed drill: a year of weekly drills. */
const MAX_RECORDS = 60;

export interface DrillHistory {
  /** Newest first. */
  readonly drills: readonly DrillView[];
  readonly lastPassed: DrillView | null;
}

/** Reads the newest `count` own drills, and older ones until the last that passed: one listing, and one read per drill. */
export async function drillHistory(drills: Drills, count: number, isOwn: IsOwn): Promise<DrillHistory> {
  const newest: DrillView[] = [];
  let lastPassed: DrillView | null = null;
  let seen = 0;
  for await (const drill of drills()) {
    if (!(await isOwn(drill))) continue;
    seen += 1;
    if (newest.length < count) newest.push(drill);
    if (drill.outcome === 'passed') lastPassed ??= drill;
    if ((newest.length >= count && lastPassed !== null) || seen >= MAX_RECORDS) break;
  }
  return { drills: newest, lastPassed };
}

/** The drill, marked as failed if its run ended without a verdict. */
export function withRunOutcome(drill: DrillView, runs: readonly RunRecord[], now: number): DrillView {
  if (drill.outcome !== 'started') return drill;
  const run = runs.find(({ id }) => id === drill.id);
  const isGone = run === undefined && now - Date.parse(drill.startedAt) > LONG_MS;
  if (!isGone && (run === undefined || !isOver(run))) return drill;
  const why = run?.error?.message;
  const reason = why === undefined ? BROKE_OFF : `${BROKE_OFF}: ${why}`;
  return { ...drill, outcome: 'failed', reason, finishedAt: run?.finishedAt ?? null };
}

/** When a drill ended or, if it has not, started, in milliseconds since the epoch. */
export function timeOf({ finishedAt, startedAt }: DrillView): number {
  return Date.parse(finishedAt ?? startedAt);
}

/** The last drill with a verdict; drills dated in the future are ignored. */
export function lastVerdict({ drills, lastPassed }: DrillHistory, now: number): DrillView | null {
  const isKnown = (drill: DrillView): boolean => timeOf(drill) <= now + AHEAD_MS;
  const newest = drills.find((drill) => hasVerdict(drill) && isKnown(drill));
  return newest ?? (lastPassed !== null && isKnown(lastPassed) ? lastPassed : null);
}

/** Whether a drill reached a verdict on the snapshot. */
function hasVerdict({ outcome, reason }: DrillView): boolean {
  return outcome === 'passed' || (outcome === 'failed' && reason?.startsWith(BROKE_OFF) !== true);
}
