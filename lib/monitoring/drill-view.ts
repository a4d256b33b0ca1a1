import { isOver } from '../runs/ending.js';
import type { RunRecord } from '../runs/model.js';
import { AHEAD_MS } from './objectives.js';

/** A drill's record, as far as objectives and alerts go by it. */
export interface DrillView {
  readonly id: string;
  readonly outcome: 'started' | 'passed' | 'failed' | 'inconclusive';
  readonly reason: string | null;
  readonly snapshot: string | null;
  readonly keys: number;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  /** Until the proof held. */
  readonly milliseconds: number | null;
  /** Until all data were written; null or absent in records of older versions. */
  readonly restoredMilliseconds?: number | null;
}

export const DRILL_COMMAND = 'npx soulcaster-backup drill --env-file .env';
/** Where an operator has to start drills: the functions would do what is handed over to the queue. */
export const LOCAL_DRILL_COMMAND = 'npx soulcaster-backup drill --local --env-file .env';
/** Why the guard starts no drill, where an operator has to. */
export const DRILLED_ELSEWHERE =
  'Snapshots are encrypted and the functions have no age identity, so drill on a machine that has it';

/** The records of drills, newest first. */
export type Drills = () => AsyncIterable<DrillView>;

/** A drill whose record says `started` though its run is over: it broke off, and came to no verdict. */
const BROKE_OFF = 'it broke off before it came to a verdict';
const LONG_MS = 24 * 3_600_000;
/** This many records are looked at for the last that passed: a year of weekly drills. */
const MOST = 60;

export interface DrillHistory {
  /** Newest first. */
  readonly drills: readonly DrillView[];
  readonly lastPassed: DrillView | null;
}

/** Reads the newest `count` drills, and further back for the last that passed: a listing, and a read each. */
export async function drillHistory(drills: Drills, count: number): Promise<DrillHistory> {
  const newest: DrillView[] = [];
  let lastPassed: DrillView | null = null;
  let seen = 0;
  for await (const drill of drills()) {
    seen += 1;
    if (newest.length < count) newest.push(drill);
    if (drill.outcome === 'passed') lastPassed ??= drill;
    if ((newest.length >= count && lastPassed !== null) || seen >= MOST) break;
  }
  return { drills: newest, lastPassed };
}

/** A drill as it stands, given the runs there are: one that broke off has failed. */
export function withRunOutcome(drill: DrillView, runs: readonly RunRecord[], now: number): DrillView {
  if (drill.outcome !== 'started') return drill;
  const run = runs.find(({ id }) => id === drill.id);
  const isGone = run === undefined && now - Date.parse(drill.startedAt) > LONG_MS;
  if (!isGone && (run === undefined || !isOver(run))) return drill;
  const why = run?.error?.message;
  const reason = why === undefined ? BROKE_OFF : `${BROKE_OFF}: ${why}`;
  return { ...drill, outcome: 'failed', reason, finishedAt: run?.finishedAt ?? null };
}

/** When a drill ended or, as far as it is known, was last in progress, in milliseconds since the epoch. */
export function timeOf({ finishedAt, startedAt }: DrillView): number {
  return Date.parse(finishedAt ?? startedAt);
}

/** The last drill that came to a verdict, by a clock that agrees with ours. */
export function lastVerdict({ drills, lastPassed }: DrillHistory, now: number): DrillView | null {
  const isKnown = (drill: DrillView): boolean => timeOf(drill) <= now + AHEAD_MS;
  const newest = drills.find((drill) => hasVerdict(drill) && isKnown(drill));
  return newest ?? (lastPassed !== null && isKnown(lastPassed) ? lastPassed : null);
}

/** Whether a drill came to a verdict on the snapshot, and did not just break off. */
function hasVerdict({ outcome, reason }: DrillView): boolean {
  return outcome === 'passed' || (outcome === 'failed' && reason?.startsWith(BROKE_OFF) !== true);
}
