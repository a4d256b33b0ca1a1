import { timeOfId } from '../runs/ids.js';
import type { Policy, Reason } from './policy.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 1970-01-01 was a Thursday: three days after the Monday that its ISO week began with. */
const THURSDAY = 3;

/** Days since the epoch, UTC. */
export function dayOf(time: number): number {
  return Math.floor(time / DAY_MS);
}

/** ISO weeks since the one of the epoch: each begins on a Monday, also across the end of a year. */
export function weekOf(time: number): number {
  return Math.floor((dayOf(time) + THURSDAY) / 7);
}

/** Months since the year 0, UTC. */
export function monthOf(time: number): number {
  const date = new Date(time);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

type Note = (id: string, reason: Reason) => void;

/**
 * Tells `note` which of these snapshots the rules keep; `ids` are sorted, newest first. The oldest is kept as long as a
 * rule has slots left, so that a young history reaches back as far as it can.
 */
export function applyRules(ids: readonly string[], policy: Policy, note: Note): void {
  const newest = timeOfId(ids[0] ?? '');
  for (const id of ids.slice(0, policy.keepLast)) note(id, 'last');
  for (const id of ids) if (newest - timeOfId(id) < policy.keepWithinHours * HOUR_MS) note(id, 'within');
  keepByPeriod(ids, policy.keepDaily, dayOf, 'daily', note);
  keepByPeriod(ids, policy.keepWeekly, weekOf, 'weekly', note);
  keepByPeriod(ids, policy.keepMonthly, monthOf, 'monthly', note);
}

function keepByPeriod(
  ids: readonly string[],
  slots: number,
  periodOf: (time: number) => number,
  reason: Reason,
  note: Note,
): void {
  let last: number | null = null;
  let left = slots;
  for (const id of ids) {
    const period = periodOf(timeOfId(id));
    if (left === 0) return;
    if (period === last) continue;
    note(id, reason);
    last = period;
    left -= 1;
  }
  const oldest = ids.at(-1);
  if (left > 0 && oldest !== undefined) note(oldest, 'oldest');
}
