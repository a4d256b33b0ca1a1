import { describe, expect, it } from '@jest/globals';
import { forecast } from '../../lib/retention/forecast.js';
import type { Policy } from '../../lib/retention/policy.js';
import { entryAt, NONE } from './entries.js';

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-11-22T12:00:00Z');
const UNPINNED = new Set<string>();

function daysOf(policy: Partial<Policy>, ages: readonly number[], pinned = UNPINNED): (number | null)[] {
  const entries = ages.map((age) => entryAt({ at: NOW - age * DAY_MS, keys: 10, kind: 'good', isAuthentic: true }));
  const found = forecast(entries, { ...NONE, ...policy }, pinned, NOW);
  return entries.map(({ id }) => {
    const goesAt = found.get(id)?.goesAt ?? null;
    return goesAt === null ? null : Math.round((Date.parse(goesAt) - NOW) / DAY_MS);
  });
}

describe('the forecast of a removal', () => {
  it('is when the policy keeps as many newer snapshots', () => {
    expect(daysOf({ keepLast: 7 }, [0, 1, 2])).toEqual([7, 6, 5]);
  });

  it('is now if no rule keeps the snapshot', () => {
    const old = entryAt({ at: NOW - 9 * DAY_MS, keys: 10, kind: 'good', isAuthentic: true });
    const young = entryAt({ at: NOW - DAY_MS, keys: 10, kind: 'good', isAuthentic: true });
    const found = forecast([old, young], { ...NONE, keepLast: 1 }, UNPINNED, NOW);
    expect(found.get(old.id)).toEqual({ kept: ['no-rule'], goesAt: new Date(NOW).toISOString() });
    expect(found.get(young.id)?.kept).toEqual(['newest-verified', 'last']);
  });

  it('waits for the monthly rule, and is never while the snapshot is pinned', () => {
    // The last of November takes its place, once December has one.
    expect(daysOf({ keepDaily: 3, keepMonthly: 2 }, [0])).toEqual([9]);
    const entry = entryAt({ at: NOW, keys: 10, kind: 'good', isAuthentic: true });
    const pinned = forecast([entry], { ...NONE, keepLast: 1 }, new Set([entry.id]), NOW);
    expect(pinned.get(entry.id)).toEqual({ kept: ['newest-verified', 'last', 'pinned'], goesAt: null });
  });

  it('is missing while removals are held', () => {
    const before = entryAt({ at: NOW - DAY_MS, keys: 1000, kind: 'good', isAuthentic: true });
    const after = entryAt({ at: NOW, keys: 10, kind: 'good', isAuthentic: true });
    const found = forecast([before, after], { ...NONE, keepLast: 1 }, UNPINNED, NOW);
    expect([...found.values()].map(({ goesAt }) => goesAt)).toEqual([null, null]);
  });

  it('takes little time for a realistic number of snapshots', () => {
    const ages = Array.from({ length: 500 }, (_, at) => at / 2);
    const policy = { keepLast: 3, keepWithinHours: 48, keepDaily: 14, keepWeekly: 8, keepMonthly: 12 };
    const before = performance.now();
    daysOf(policy, ages);
    expect(performance.now() - before).toBeLessThan(5000);
  });
});
