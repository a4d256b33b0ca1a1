import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { firstCodePoints, itemText, strip } from '../../lib/reindex/items.js';

interface Case {
  readonly name: string;
  readonly title: string | null;
  readonly body: string | null;
  readonly rawText: string | null;
  readonly limit: number;
  readonly expected: string;
}

/** Made with CPython: `title.strip()`, `(body or raw_text).strip()[:limit]`, joined by a blank line. */
const table = JSON.parse(readFileSync(join(import.meta.dirname, 'python-texts.json'), 'utf8')) as {
  readonly spaces: readonly number[];
  readonly cases: readonly Case[];
};

describe('the text of an item', () => {
  it.each(table.cases)('is the same as in Python: $name', ({ title, body, rawText, limit, expected }) => {
    expect(itemText({ title, body, rawText }, limit)).toBe(expected);
  });

  it('strips the same code points as Python, of all code points', () => {
    const spaces: number[] = [];
    for (let point = 0; point < 0x110000; point++) {
      const isSurrogate = point >= 0xd800 && point <= 0xdfff;
      if (!isSurrogate && strip(String.fromCodePoint(point)) === '') spaces.push(point);
    }
    expect(spaces).toEqual(table.spaces);
  });

  it('cuts by code points and never within one', () => {
    const texts = fc.string({ unit: 'grapheme', maxLength: 40 });
    fc.assert(
      fc.property(texts, fc.integer({ min: 0, max: 50 }), (text, count) => {
        expect(firstCodePoints(text, count)).toBe(Array.from(text).slice(0, count).join(''));
      }),
    );
  });
});
