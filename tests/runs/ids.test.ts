import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { isId, newId, timeOfId } from '../../lib/runs/ids.js';

const times = fc.date({ min: new Date('2020-01-01'), max: new Date('2090-01-01'), noInvalidDate: true });

describe('ids', () => {
  it('are ids, and give their time to the second', () => {
    fc.assert(
      fc.property(times, (at) => {
        const id = newId(at.getTime());
        expect(isId(id)).toBe(true);
        expect(timeOfId(id)).toBe(Math.floor(at.getTime() / 1000) * 1000);
      }),
    );
  });

  it('sort by time to the millisecond', () => {
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 100_000 }), (at, later) => {
        expect(newId(at.getTime()) < newId(at.getTime() + later)).toBe(true);
      }),
    );
  });

  it.each(['', 'latest', '../x', '20261122T020000Z', '20261122T020000Z-x7k2mi', '20261122T020000Z-x7k2m9/..'])(
    'are told from other text: %j',
    (text) => {
      expect(isId(text)).toBe(false);
    },
  );
});
