import type { Plan, Tally } from '../api/types.js';
import { count, duration } from './format.js';

/** Actions that change a key. */
const CHANGING = ['write', 'overwrite', 'unite', 'fail', 'remove'] as const;

export const ACTION_WORDS = {
  write: 'written',
  overwrite: 'overwritten',
  unite: 'united',
  fail: 'marked failed',
  remove: 'removed',
  same: 'untouched',
  keep: 'left although they differ',
  blocked: 'left, because a snapshot cannot hold the current value',
  expired: 'expired by now',
} as const satisfies Record<keyof Tally, string>;

/** The effect of a restore in one sentence: `60 written, 4 overwritten, 1 removed, 312 untouched, about 40 s`. */
export function summarizePlan(plan: Plan, estimateMs: number | null): string {
  const { keep, blocked, same } = plan.total;
  const parts = CHANGING.filter((action) => plan.total[action] > 0).map(
    (action) => `${count(plan.total[action])} ${ACTION_WORDS[action]}`,
  );
  if (parts.length === 0) parts.push('nothing written');
  parts.push(`${count(same)} untouched`);
  if (keep > 0) parts.push(`${count(keep)} ${ACTION_WORDS.keep}`);
  if (blocked > 0) parts.push(`${count(blocked)} ${ACTION_WORDS.blocked}`);
  if (estimateMs !== null) parts.push(`about ${duration(Math.max(1000, estimateMs))}`);
  return parts.join(', ');
}

/** Families with keys that change or differ, sorted by name. */
export function findChangedFamilies({ byFamily }: Plan): [string, Tally][] {
  return Object.entries(byFamily)
    .filter(([, tally]) => countChanges(tally) + tally.keep + tally.blocked > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function countChanges(tally: Tally): number {
  return CHANGING.reduce((sum, action) => sum + tally[action], 0);
}

/** The expected duration of a restore at the last drill's time per key, in milliseconds; null when no drill has passed. */
export function estimateDuration(
  { total }: Plan,
  drill: { readonly keys: number; readonly milliseconds: number | null } | null,
): number | null {
  if (drill?.milliseconds == null || drill.keys <= 0) return null;
  const keys = Object.values(total).reduce((sum, number) => sum + number, 0);
  return (keys / drill.keys) * drill.milliseconds;
}
