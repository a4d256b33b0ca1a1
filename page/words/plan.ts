import type { Plan, Tally } from '../api/types.js';
import { count, duration } from './format.js';

/** Keys that would be other than they are now. */
const CHANGING = ['write', 'overwrite', 'unite', 'fail', 'remove'] as const;

export const ACTION_WORDS = {
  write: 'written',
  overwrite: 'overwritten',
  unite: 'united',
  fail: 'work made failed',
  remove: 'removed',
  same: 'untouched',
  keep: 'left though they differ',
  blocked: 'left, since no snapshot can hold what is there',
  expired: 'over by now',
} as const satisfies Record<keyof Tally, string>;

/** One sentence on what a restore would do: `60 written, 4 overwritten, 1 removed, 312 untouched, about 40 s`. */
export function consequence(plan: Plan, estimateMs: number | null): string {
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

/** Families of which any key would be other than now, by name. */
export function changedFamilies({ byFamily }: Plan): [string, Tally][] {
  return Object.entries(byFamily)
    .filter(([, tally]) => changing(tally) + tally.keep + tally.blocked > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

export function changing(tally: Tally): number {
  return CHANGING.reduce((sum, action) => sum + tally[action], 0);
}

/** How long a restore takes by what the last drill took for each key, in milliseconds; null where no drill has passed. */
export function estimate(
  { total }: Plan,
  drill: { readonly keys: number; readonly milliseconds: number | null } | null,
): number | null {
  if (drill?.milliseconds == null || drill.keys <= 0) return null;
  const keys = Object.values(total).reduce((sum, number) => sum + number, 0);
  return (keys / drill.keys) * drill.milliseconds;
}
