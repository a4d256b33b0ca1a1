import { expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { printable, printableJson } from '../../lib/cli/output/redact.js';

it.each([
  ['\u001b[2J\u001b]0;title\u0007', '\\u001b[2J\\u001b]0;title\\u0007'],
  ['\u009b31m', '\\u009b31m'],
  ['a\rb\bc\u007f', 'a\\u000db\\u0008c\\u007f'],
  ['safe \u202egnp.exe', 'safe \\u202egnp.exe'],
  ['tab\tand line\nstay, ü and 日本 as well', 'tab\tand line\nstay, ü and 日本 as well'],
])('shows what a terminal would obey: %j', (text, shown) => {
  expect(printable(text)).toBe(shown);
});

it('writes equivalent JSON without control characters except line ends', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = printableJson(value);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u);
    }),
  );
  expect(printableJson('\u009b\u202e\u001b')).toBe('"\\u009b\\u202e\\u001b"');
});
