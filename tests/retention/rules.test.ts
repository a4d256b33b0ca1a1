import { describe, expect, it } from '@jest/globals';
import { weekOf } from '../../lib/retention/apply-policy.js';

describe('weeks', () => {
  it('are ISO 8601 weeks, also around a new year', () => {
    const week = (text: string) => weekOf(Date.parse(text));
    // 2026-12-28 is a Monday, the first day of the week 2026-W53, which ends on 2027-01-03.
    expect(week('2027-01-03T23:59:59Z')).toBe(week('2026-12-28T00:00:00Z'));
    expect(week('2026-12-27T23:59:59Z')).toBe(week('2026-12-28T00:00:00Z') - 1);
    expect(week('2027-01-04T00:00:00Z')).toBe(week('2026-12-28T00:00:00Z') + 1);
  });
});
