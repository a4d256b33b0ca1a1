import { describe, expect, it } from '@jest/globals';
import { elementBag } from '../../../lib/restore/compare/digests.js';
import fc from '../../support/fast-check.js';

const text = fc.string({ maxLength: 3 });
const pairs = fc.array(fc.tuple(text, text), { maxLength: 80 });
type Pair = readonly [string, string];

function digestOfPairs(given: readonly Pair[]): string {
  const bag = elementBag({ named: true });
  for (const [name, value] of given) bag.add(Buffer.from(name), Buffer.from(value));
  return bag.digest();
}

function digestOfMembers(given: readonly string[]): string {
  const bag = elementBag({ named: false });
  for (const member of given) bag.add(Buffer.from(member));
  return bag.digest();
}

describe('a bag of elements', () => {
  it('of members is equal exactly when the sets are', () => {
    const members = fc.array(fc.constantFrom('', 'a', 'b', 'aa', 'ab'), { maxLength: 12 });
    const sorted = (given: readonly string[]): string => JSON.stringify([...new Set(given)].sort());
    fc.assert(
      fc.property(members, members, (a, b) => {
        const equal = sorted(a) === sorted(b);
        expect(digestOfMembers(a) === digestOfMembers(b)).toBe(equal);
      }),
      { numRuns: 500 },
    );
  });

  it('of names and values uses the last value of each name', () => {
    fc.assert(
      fc.property(pairs, (given) => {
        expect(digestOfPairs(given)).toBe(digestOfPairs([...new Map(given)].reverse()));
      }),
    );
  });

  it('of names and values is equal exactly when the maps are', () => {
    const few = fc.array(fc.tuple(fc.constantFrom('a', 'b', ''), fc.constantFrom('', 'a', 'b')), { maxLength: 6 });
    const sorted = (given: readonly Pair[]): string => JSON.stringify([...new Map(given)].sort());
    fc.assert(
      fc.property(few, few, (a, b) => {
        expect(digestOfPairs(a) === digestOfPairs(b)).toBe(sorted(a) === sorted(b));
      }),
      { numRuns: 500 },
    );
  });

  it('knows whether it is empty', () => {
    const bag = elementBag({ named: false });
    expect(bag.isEmpty()).toBe(true);
    bag.add(Buffer.alloc(0));
    expect(bag.isEmpty()).toBe(false);
  });
});
