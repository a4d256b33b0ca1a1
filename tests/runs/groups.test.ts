import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { cutGroups, tasksOf } from '../../lib/runs/groups.js';

const cases = fc.tuple(fc.nat({ max: 3000 }), fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 40 }));

describe('groups of tasks', () => {
  it('hold every task once, in order, and never exceed the limit', () => {
    fc.assert(
      fc.property(cases, ([tasks, workers, most]) => {
        const groups = cutGroups(tasks, workers, most);
        expect(groups.flatMap(tasksOf)).toEqual(Array.from({ length: tasks }, (_, task) => task));
        expect(groups.every(({ count }) => count >= 1 && count <= most)).toBe(true);
      }),
    );
  });

  it('never grow toward the end, and the last are of one task', () => {
    fc.assert(
      fc.property(cases, ([tasks, workers, most]) => {
        const counts = cutGroups(tasks, workers, most).map(({ count }) => count);
        expect(counts).toEqual([...counts].sort((a, b) => b - a));
        if (tasks > 0) expect(counts.at(-1)).toBe(1);
      }),
    );
  });

  it('leave no worker idle while others have many tasks left', () => {
    expect(cutGroups(20, 10, 25).every(({ count }) => count === 1)).toBe(true);
    expect(cutGroups(1000, 10, 25).length).toBeLessThan(120);
  });
});
