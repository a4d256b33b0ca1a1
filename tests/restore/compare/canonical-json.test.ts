import { describe, expect, it } from '@jest/globals';
import { sameJson } from '../../../lib/restore/compare/content.js';
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
