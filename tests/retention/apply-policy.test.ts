import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { applyPolicy, dayOf, monthOf, weekOf } from '../../lib/retention/apply-policy.js';
import type { Policy, RetentionEntry, Situation } from '../../lib/retention/policy.js';
import { timeOfId } from '../../lib/runs/ids.js';
import { entryAt, NONE, type Made } from './entries.js';
import { forecast } from '../../lib/retention/forecast.js';

const isTrusted = ({ state }: RetentionEntry): boolean => state === 'trusted';

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-11-22T12:00:00Z');
const situation = (changes: Partial<Situation> = {}): Situation => ({
  now: NOW,
  inUse: new Set(),
  lastRunsFailed: false,
  ...changes,
});

const GOODISH = { keys: 10, kind: 'good', isAuthentic: true } as const;
const GOOD: Made = { ...GOODISH, at: NOW };

const count = fc.integer({ min: 0, max: 15 });
const policies: fc.Arbitrary<Policy> = fc.record({
  keepLast: count,
  keepWithinHours: fc.integer({ min: 0, max: 100 }),
  keepDaily: count,
  keepWeekly: count,
  keepMonthly: count,
  asideDays: fc.integer({ min: 0, max: 40 }),
});
const made: fc.Arbitrary<Made> = fc.record({
  // From two years back to half a year into the future.
  at: fc.integer({ min: -730 * 24, max: 180 * 24 }).map((hours) => NOW + hours * 3_600_000),
  keys: fc.integer({ min: 0, max: 100 }),
  kind: fc.constantFrom('good', 'good', 'good', 'safety', 'incomplete', 'damaged', 'unchecked', 'unreadable'),
  isAuthentic: fc.boolean(),
});
const catalogs = fc.array(made, { maxLength: 40 }).map((all) => all.map(entryAt));
/** Key counts that raise no suspicion, so that the rules come to bear. */
const calmCatalogs = fc
  .array(made, { minLength: 1, maxLength: 40 })
  .map((all) => all.map((one) => entryAt({ ...one, keys: 10 })));

const keptIds = (entries: readonly RetentionEntry[], policy: Policy, at = situation()): Set<string> =>
  new Set(applyPolicy(entries, policy, at).decisions.flatMap(({ id, keep }) => (keep ? [id] : [])));
const newestFirst = (entries: readonly RetentionEntry[]): RetentionEntry[] =>
  [...entries].sort((a, b) => (a.id < b.id ? 1 : -1));

describe('retention', () => {
  it('never removes the newest verified snapshot, whatever the policy and the clock', () => {
    const clocks = fc.integer({ min: 0, max: 4_000 }).map((days) => days * DAY_MS * 10);
    fc.assert(
      fc.property(catalogs, policies, clocks, (entries, policy, now) => {
        const kept = keptIds(entries, policy, situation({ now }));
        const good = newestFirst(entries).filter(isTrusted);
        const presentGood = good.filter(({ id }) => timeOfId(id) <= now);
        for (const newest of [good[0], presentGood[0], presentGood.find(({ isAuthentic }) => isAuthentic)]) {
          if (newest !== undefined) expect(kept).toContain(newest.id);
        }
      }),
    );
  });

  it('keeps at least as much with a larger policy', () => {
    fc.assert(
      fc.property(catalogs, policies, policies, (entries, small, more) => {
        const names = Object.keys(small) as (keyof Policy)[];
        const large = Object.fromEntries(names.map((name) => [name, small[name] + more[name]])) as unknown as Policy;
        const wide = keptIds(entries, large);
        for (const id of keptIds(entries, small)) expect(wide).toContain(id);
      }),
    );
  });

  it('keeps the number of every rule, as far as there are snapshots', () => {
    fc.assert(
      fc.property(calmCatalogs, policies, (entries, policy) => {
        const kept = keptIds(entries, policy);
        const good = newestFirst(entries).filter((entry) => isTrusted(entry) && timeOfId(entry.id) <= NOW);
        const left = good.filter(({ id }) => kept.has(id));
        expect(left.slice(0, policy.keepLast)).toEqual(good.slice(0, policy.keepLast));
        for (const [slots, periodOf] of [
          [policy.keepDaily, dayOf],
          [policy.keepWeekly, weekOf],
          [policy.keepMonthly, monthOf],
        ] as const) {
          const periods = [...new Set(good.map(({ id }) => periodOf(timeOfId(id))))].slice(0, slots);
          const newest = periods.map((period) => good.find(({ id }) => periodOf(timeOfId(id)) === period)?.id);
          for (const id of newest) expect(kept).toContain(id);
        }
      }),
    );
  });

  it('removes snapshots that no rule keeps', () => {
    const entries = Array.from({ length: 400 }, (_, day) => entryAt({ ...GOOD, at: NOW - day * DAY_MS }));
    const policy = { ...NONE, keepLast: 7, keepDaily: 14, keepWeekly: 8, keepMonthly: 12 };
    const kept = keptIds(entries, policy);
    // 14 days, the Sundays of 6 weeks more, the last days of 11 months of which one is such a Sunday.
    expect(kept.size).toBeGreaterThan(25);
    expect(kept.size).toBeLessThan(32);
  });

  it('ignores forged snapshots: authentic ones are kept as if the forged ones did not exist', () => {
    const forged = fc.array(fc.record({ at: made.chain(({ at }) => fc.constant(at)), keys: fc.constant(10) }), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(calmCatalogs, forged, policies, (entries, more, policy) => {
        const ours = entries.filter(({ isAuthentic }) => isAuthentic);
        if (!ours.some((entry) => isTrusted(entry) && timeOfId(entry.id) <= NOW)) return;
        const others = more.map(({ at, keys }) => entryAt({ at, keys, kind: 'good', isAuthentic: false }));
        const kept = keptIds([...ours, ...others], policy);
        const goodOurs = ours.filter(isTrusted);
        for (const id of keptIds(ours, policy))
          if (goodOurs.some((entry) => entry.id === id)) expect(kept).toContain(id);
      }),
    );
  });

  it('keeps snapshots dated in the future and counts them for no rule', () => {
    const real = [0, 1, 2].map((day) => entryAt({ ...GOOD, at: NOW - day * DAY_MS }));
    const future = [1, 2, 3, 4].map((day) => entryAt({ ...GOOD, at: NOW + day * DAY_MS }));
    const { decisions } = applyPolicy([...real, ...future], { ...NONE, keepLast: 2 }, situation());
    expect(decisions.filter(({ keep }) => !keep).map(({ id }) => id)).toEqual([real[2]?.id]);
    expect(decisions.filter(({ reasons }) => reasons.includes('future'))).toHaveLength(4);
  });

  it('does not age snapshots by a clock that is ahead', () => {
    const entries = [0, 1, 2, 3].map((day) => entryAt({ ...GOOD, at: NOW - day * DAY_MS }));
    const aside = entryAt({ ...GOOD, kind: 'safety', at: NOW - 2 * DAY_MS });
    const policy = { ...NONE, keepWithinHours: 80, asideDays: 3 };
    const soon = keptIds([...entries, aside], policy);
    expect(soon.size).toBe(5);
    expect(keptIds([...entries, aside], policy, situation({ now: NOW + 9_000 * DAY_MS }))).toEqual(soon);
  });

  it.each([
    ['a snapshot that a run works with', 'in-use', { ...GOODISH }, { inUse: true }],
    ['one of a newer format', 'newer-format', { ...GOODISH, kind: 'newer' }, {}],
    ['one that nobody has checked', 'not-checked', { ...GOODISH, kind: 'unchecked' }, {}],
    ['one that cannot be read and was not checked', 'not-checked', { ...GOODISH, kind: 'unreadable' }, {}],
  ] as [string, string, Omit<Made, 'at'>, { inUse?: true }][])('keeps %s', (_what, reason, form, { inUse }) => {
    const old = entryAt({ ...form, at: NOW - 300 * DAY_MS });
    const fresh = entryAt({ ...GOOD, at: NOW });
    const at = situation(inUse === true ? { inUse: new Set([old.id]) } : {});
    const { decisions } = applyPolicy([old, fresh], { ...NONE, keepLast: 1 }, at);
    expect(decisions[1]).toMatchObject({ id: old.id, keep: true });
    expect(decisions[1]?.reasons).toContain(reason);
  });

  it.each(['safety', 'incomplete', 'damaged'] as const)('keeps a %s snapshot for its days, without a slot', (kind) => {
    const entries = [1, 3, 5].map((day) => entryAt({ ...GOOD, kind, at: NOW - day * DAY_MS }));
    const good = [0, 6].map((day) => entryAt({ ...GOOD, at: NOW - day * DAY_MS }));
    const { decisions } = applyPolicy([...entries, ...good], { ...NONE, keepLast: 2, asideDays: 4 }, situation());
    expect(decisions.map(({ keep, reasons }) => (keep ? reasons[0] : reasons))).toEqual([
      'newest-verified',
      'aside',
      'aside',
      ['aside-over'],
      'last',
    ]);
  });

  it('keeps a snapshot with missing parts as long as the rules would keep it whole, without a slot', () => {
    const day = (n: number): RetentionEntry => entryAt({ ...GOOD, at: NOW - n * DAY_MS });
    const lacking = (entry: RetentionEntry): RetentionEntry => ({ ...entry, missingParts: 1, state: 'damaged' });
    const entries = [day(0), lacking(day(1)), day(2), lacking(day(3))];
    const { decisions } = applyPolicy(entries, { ...NONE, keepLast: 2 }, situation());
    expect(decisions.map(({ keep }) => keep)).toEqual([true, true, true, false]);
  });

  it('counts the days of a damaged snapshot from when the damage was found', () => {
    const old = entryAt({ ...GOOD, kind: 'damaged', at: NOW - 300 * DAY_MS, foundAt: NOW - DAY_MS });
    const entries = [old, entryAt({ ...GOOD, at: NOW })];
    expect(keptIds(entries, { ...NONE, asideDays: 2 })).toContain(old.id);
    expect(keptIds(entries, { ...NONE, asideDays: 1 })).not.toContain(old.id);
  });

  it.each([
    ['the newest has less than half of the keys', [49, 100, 100], {}, /has 49 keys/],
    ['the last three runs failed', [100, 100, 100], { lastRunsFailed: true }, /last three/],
    ['there is no verified snapshot', [], {}, /no verified snapshot/],
  ] as [string, number[], Partial<Situation>, RegExp][])('removes nothing when %s', (_what, keys, changes, words) => {
    const entries = keys.map((number, day) => entryAt({ ...GOOD, keys: number, at: NOW - day * DAY_MS }));
    const aside = entryAt({ ...GOOD, kind: 'incomplete', at: NOW - 400 * DAY_MS });
    const { held, decisions } = applyPolicy([...entries, aside], NONE, situation(changes));
    expect(held).toMatch(words);
    expect(decisions.every(({ keep, reasons }) => keep && reasons.includes('held'))).toBe(true);
  });

  it('is not held by exactly half of the keys, nor deceived by a forged snapshot with many keys after a doubtful one', () => {
    const days = (keys: number[]) =>
      keys.map((number, day) => entryAt({ ...GOOD, keys: number, at: NOW - day * DAY_MS }));
    expect(applyPolicy(days([50, 100]), NONE, situation()).held).toBeNull();
    const entries = days([10, 100]);
    const forged = entryAt({ ...GOOD, keys: 100, isAuthentic: false, at: NOW + DAY_MS });
    expect(applyPolicy([...entries, forged], NONE, situation()).held).toMatch(/has 10 keys/);
  });
});

describe('the forecast of a removal', () => {
  const DAY_MS = 86_400_000;
  const NOW = Date.parse('2026-11-22T12:00:00Z');
  const UNPINNED = new Set<string>();

  function daysOf(policy: Partial<Policy>, ages: readonly number[], pinned = UNPINNED): (number | null)[] {
    const entries = ages.map((age) => entryAt({ at: NOW - age * DAY_MS, keys: 10, kind: 'good', isAuthentic: true }));
    const found = forecast(entries, { ...NONE, ...policy }, situation({ pinned })).byId;
    return entries.map(({ id }) => {
      const goesAt = found.get(id)?.goesAt ?? null;
      return goesAt === null ? null : Math.round((Date.parse(goesAt) - NOW) / DAY_MS);
    });
  }

  it('is when the policy keeps as many newer snapshots', () => {
    expect(daysOf({ keepLast: 7 }, [0, 1, 2])).toEqual([7, 6, 5]);
  });

  it('is now if no rule keeps the snapshot', () => {
    const old = entryAt({ at: NOW - 9 * DAY_MS, keys: 10, kind: 'good', isAuthentic: true });
    const young = entryAt({ at: NOW - DAY_MS, keys: 10, kind: 'good', isAuthentic: true });
    const found = forecast([old, young], { ...NONE, keepLast: 1 }, situation()).byId;
    expect(found.get(old.id)).toEqual({ kept: ['no-rule'], goesAt: new Date(NOW).toISOString() });
    expect(found.get(young.id)?.kept).toEqual(['newest-verified', 'last']);
  });

  it('waits for the monthly rule, and is never while the snapshot is pinned', () => {
    // The last of November takes its place, once December has one.
    expect(daysOf({ keepDaily: 3, keepMonthly: 2 }, [0])).toEqual([9]);
    const entry = entryAt({ at: NOW, keys: 10, kind: 'good', isAuthentic: true });
    const pinned = forecast([entry], { ...NONE, keepLast: 1 }, situation({ pinned: new Set([entry.id]) })).byId;
    expect(pinned.get(entry.id)).toEqual({ kept: ['newest-verified', 'last', 'pinned'], goesAt: null });
  });

  it('is missing while removals are held', () => {
    const before = entryAt({ at: NOW - DAY_MS, keys: 1000, kind: 'good', isAuthentic: true });
    const after = entryAt({ at: NOW, keys: 10, kind: 'good', isAuthentic: true });
    const found = forecast([before, after], { ...NONE, keepLast: 1 }, situation()).byId;
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

describe('weeks', () => {
  it('are ISO 8601 weeks, also around a new year', () => {
    const week = (text: string) => weekOf(Date.parse(text));
    // 2026-12-28 is a Monday, the first day of the week 2026-W53, which ends on 2027-01-03.
    expect(week('2027-01-03T23:59:59Z')).toBe(week('2026-12-28T00:00:00Z'));
    expect(week('2026-12-27T23:59:59Z')).toBe(week('2026-12-28T00:00:00Z') - 1);
    expect(week('2027-01-04T00:00:00Z')).toBe(week('2026-12-28T00:00:00Z') + 1);
  });
});

describe('what takes no slot', () => {
  const NOW = Date.parse('2026-11-22T12:00:00Z');
  const HOUR = 3_600_000;
  const POLICY = { ...NONE, keepLast: 2, asideDays: 14 };
  const IDLE = { now: NOW, inUse: new Set<string>(), lastRunsFailed: false };

  function entry(hours: number, changes: Partial<RetentionEntry> = {}, keys = 100): RetentionEntry {
    return { ...entryAt({ at: NOW - hours * HOUR, keys, kind: 'good', isAuthentic: true }), ...changes };
  }

  const kept = (entries: readonly RetentionEntry[], situation = {}) => {
    const { decisions, held } = applyPolicy(entries, POLICY, { ...IDLE, ...situation });
    return { held, ids: decisions.filter(({ keep }) => keep).map(({ id }) => id), decisions };
  };

  describe('doubtful snapshots', () => {
    it('take no slot, hold no removals, and are limited to the newest and the oldest since the last trusted one', () => {
      const trusted = [entry(400), entry(401), entry(402)];
      const doubtful = Array.from({ length: 30 }, (_, n) => entry(n + 1, { state: 'doubtful' }, 1));
      const { held, ids } = kept([...doubtful, ...trusted]);
      expect(held).toBeNull();
      expect(ids.filter((id) => trusted.some((each) => each.id === id))).toEqual([trusted[0]?.id, trusted[1]?.id]);
      const left = doubtful.filter(({ id }) => ids.includes(id));
      expect(left).toHaveLength(10);
      expect(ids).toContain(doubtful.at(-1)?.id);
      expect(ids).toContain(doubtful[0]?.id);
    });

    it('are removed when they are old and there is a trusted one', () => {
      const old = entry(15 * 24 + 1, { state: 'doubtful' });
      expect(kept([entry(1), old]).ids).not.toContain(old.id);
    });
  });

  describe('snapshots of other databases', () => {
    it('are kept, and take no slot', () => {
      const others = [entry(1, { ours: false, state: 'foreign' }), entry(2, { ours: false, state: 'foreign' })];
      const own = [entry(3), entry(4), entry(5)];
      const { decisions, ids } = kept([...others, ...own]);
      expect(ids).toEqual([...others, ...own.slice(0, 2)].map(({ id }) => id));
      expect(decisions[0]?.reasons).toEqual(['other-source']);
    });

    it('cannot be distinguished without a configured database: nothing is removed', () => {
      const { held, ids } = kept([entry(1), entry(2), entry(3)], { ambiguous: true });
      expect(held).toMatch(/several databases/);
      expect(ids).toHaveLength(3);
    });
  });

  describe('untrusted snapshots', () => {
    it('are kept until an operator decides', () => {
      const forged = entry(1, { state: 'untrusted' });
      const { decisions, ids } = kept([forged, entry(2), entry(3), entry(4)]);
      expect(ids).toContain(forged.id);
      expect(decisions[0]?.reasons).toContain('untrusted');
      expect(ids).toHaveLength(3);
    });
  });
});
