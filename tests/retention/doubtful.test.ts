import { describe, expect, it } from '@jest/globals';
import { applyPolicy } from '../../lib/retention/apply-policy.js';
import type { RetentionEntry } from '../../lib/retention/policy.js';
import { entryAt, NONE } from './entries.js';

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
