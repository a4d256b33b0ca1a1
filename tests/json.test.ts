import { expect, it } from '@jest/globals';
import fc from './support/fast-check.js';
import { decodeJson, encodeJson } from '../lib/json.js';

it('decodes what was encoded, including brackets and quotes in strings', () => {
  const text = fc.string({ unit: fc.constantFrom('[', '{', '"', '\\', ']', '}', 'é', 'a') });
  const value = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 5 }, text, fc.integer(), fc.array(tie('value')), fc.dictionary(text, tie('value'))),
  })).value;
  fc.assert(
    fc.property(value, (given) => {
      expect(decodeJson(encodeJson(given))).toEqual(JSON.parse(JSON.stringify(given)));
    }),
  );
});

it.each([
  ['arrays', '[', ']'],
  ['objects', '{"a":', '}'],
])('takes a hundred nested %s and refuses more, however many', (_, open, close) => {
  const nested = (depth: number) =>
    Buffer.from(`${open.repeat(depth)}${open === '[' ? '' : '1'}${close.repeat(depth)}`);
  expect(() => decodeJson(nested(100))).not.toThrow();
  for (const depth of [101, 5_000, 1_000_000]) expect(() => decodeJson(nested(depth))).toThrow(/nested deeper/);
});

it.each(['"', '"\\', '{"a":"', '["\\"'])('refuses %j, which does not end', (text) => {
  expect(() => decodeJson(Buffer.from(text))).toThrow(SyntaxError);
});
