import { describe, expect, it } from '@jest/globals';
import { contentBuilder, differenceOf, isSameLine, sameJson } from '../../../lib/restore/compare/content.js';
import type { RecordLine } from '../../../lib/snapshot/record.js';
import { elementBag } from '../../../lib/restore/compare/digests.js';
import fc from '../../support/fast-check.js';

/** The same value written another way: other order of keys, spaces, escapes. */
function rewritten(value: unknown): string {
  if (Array.isArray(value)) return `[ ${value.map(rewritten).join(' ,\n')} ]`;
  if (typeof value === 'string') return JSON.stringify(value).replace(/[a-z](?=[a-z ]*"$)/, escaped);
  if (typeof value === 'number' && Number.isSafeInteger(value)) return `${String(value)}.0`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const pairs = Object.entries(value).reverse();
  return `{${pairs.map(([name, inner]) => `${JSON.stringify(name)} : ${rewritten(inner)}`).join(',')}\t}`;
}

function escaped(letter: string): string {
  return /[bfnrtu]/.test(letter) ? letter : `\\u00${letter.charCodeAt(0).toString(16)}`;
}

describe('two JSON texts', () => {
  it('are equal when only key order, spaces and notation differ', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        expect(sameJson(JSON.stringify(value), rewritten(value))).toBe(true);
      }),
    );
  });

  it('are equal exactly when their values are equal', () => {
    const small = fc.jsonValue({ maxDepth: 1, stringUnit: fc.constantFrom('a', '"', '\\', '1') });
    fc.assert(
      fc.property(small, small, (a, b) => {
        const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
        const equal = fc.stringify(ordered(plain(a))) === fc.stringify(ordered(plain(b)));
        expect(sameJson(JSON.stringify(a), JSON.stringify(b))).toBe(equal);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['9007199254740993', '9007199254740992', false],
    ['18446744073709551615', '18446744073709551616', false],
    ['1e3', '1000', true],
    ['1e20', '100000000000000000000', true],
    ['-0', '0', true],
    ['0.1', '1e-1', true],
    ['1', '"1"', false],
    ['1', '"n1"', false],
    ['["n1"]', '[1]', false],
    ['{"__proto__":1,"a":2}', '{"a":2,"__proto__":1}', true],
    ['{"__proto__":1}', '{}', false],
    ['{"a":1}', '["a",1]', false],
    ['{"a":1}', '[["a",1]]', false],
    ['null', '"null"', false],
    ['"\\u00e9"', '"é"', true],
    ['"a\\\\"', '"a\\""', false],
    ['"5\\" and 6"', '"5\\u0022 and 6"', true],
    ['{', '{ ', false],
    ['"', '" ', false],
    ['1-2', '1-2 ', false],
  ])('%s and %s: %s', (a, b, expected) => {
    expect(sameJson(a, b)).toBe(expected);
  });

  it('may be long', () => {
    const text = `"${'\\"x1'.repeat(2_000_000)}`;
    expect(sameJson(`[${text}y"]`, `[ ${text}y"]`)).toBe(true);
    expect(sameJson(`[${text}y"]`, `[ ${text}z"]`)).toBe(false);
  });
});

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  return {
    pairs: Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, ordered(inner)]),
  };
}

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

describe('the comparison of two whole lines', () => {
  const text = fc.oneof(fc.constantFrom('', 'a', 'b'), fc.constantFrom({ b: '/w==' }, { b: '/g==' }));
  const pairs = fc.array(fc.tuple(text, fc.constantFrom('1', '2')), { maxLength: 3 });
  const line: fc.Arbitrary<Omit<RecordLine, 'k'>> = fc.oneof(
    fc.record({ t: fc.constant('string' as const), v: text }),
    fc.record({ t: fc.constantFrom('list' as const, 'set' as const), v: fc.array(text, { maxLength: 3 }) }),
    fc.record({ t: fc.constantFrom('hash' as const, 'zset' as const), v: pairs }),
  );
  const lines = line.map((each) => ({ k: 'key', ...each }));
  const RULE = { fieldExpiry: true, horizon: 0 };
  const differenceBetween = (a: RecordLine, b: RecordLine) =>
    differenceOf(contentBuilder(a, RULE).finish(), contentBuilder(b, RULE).finish(), 0);

  it('never calls lines the same whose digests differ', () => {
    fc.assert(
      fc.property(lines, lines, (a, b) => {
        if (isSameLine(a, b)) expect(differenceBetween(a, b)).toBeNull();
      }),
      { numRuns: 3000 },
    );
  });

  it.each<[string, Partial<RecordLine>, Partial<RecordLine>, boolean]>([
    [
      'fields in another order',
      {
        v: [
          ['a', '1'],
          ['b', '2'],
        ],
      },
      {
        v: [
          ['b', '2'],
          ['a', '1'],
        ],
      },
      true,
    ],
    [
      'a value of another field',
      {
        v: [
          ['a', '1'],
          ['b', '2'],
        ],
      },
      {
        v: [
          ['a', '2'],
          ['b', '1'],
        ],
      },
      false,
    ],
    [
      'a field that is repeated',
      {
        v: [
          ['a', '1'],
          ['b', '2'],
        ],
      },
      {
        v: [
          ['a', '1'],
          ['a', '1'],
        ],
      },
      false,
    ],
    ['a binary value', { v: [['a', { b: '/w==' }]] }, { v: [['a', { b: '/w==' }]] }, true],
    ['another expiry', { x: 1, v: [['a', '1']] }, { x: 2, v: [['a', '1']] }, false],
    ['a field with an expiry', { fx: [['a', 1]], v: [['a', '1']] }, { v: [['a', '1']] }, false],
  ])('knows %s', (_name, a, b, same) => {
    expect(isSameLine({ k: 'key', t: 'hash', v: [], ...a }, { k: 'key', t: 'hash', v: [], ...b })).toBe(same);
  });

  it('keeps the order of a list', () => {
    const list = (v: string[]): RecordLine => ({ k: 'key', t: 'list', v });
    expect(isSameLine(list(['a', 'b']), list(['a', 'b']))).toBe(true);
    expect(isSameLine(list(['a', 'b']), list(['b', 'a']))).toBe(false);
  });
});
