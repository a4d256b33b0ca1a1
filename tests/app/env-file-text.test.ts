import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import fc, { anyCharacter } from '../support/fast-check.js';
import { updateEnvFile, formatEnvLine, parseEnvFile } from '../../lib/app/config/env-file.js';
import { AppError } from '../../lib/errors.js';

/** Values of the characters that grammars trip over, and of any others. */
const value = fc.oneof(
  fc.string({ unit: fc.constantFrom(...Array.from('ab#\'"`\\nr= \t\n\r$!{}()&;*?~\u00e4\ufeff\u2028')) }),
  fc.string({ unit: anyCharacter }).filter((text) => !/[\ud800-\udfff]/.test(text)),
);

const parse = (text: string): Record<string, string> => parseEnvFile(Buffer.from(text));

function written(name: string, text: string): string | null {
  try {
    return formatEnvLine(name, text);
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    expect(String(error)).not.toContain(text.length > 3 ? text : '\0');
    return null;
  }
}

describe('a line of an env file', () => {
  it('is read back exactly, or refused', () => {
    fc.assert(
      fc.property(value, (text) => {
        const line = written('A', text);
        // Refused is only what single quotes do not hold.
        if (line === null) expect(text).toMatch(/[\0\r]|'/);
        else expect(parse(`Z=1\n${line}\nB=2\n`)).toEqual({ Z: '1', A: text, B: '2' });
      }),
      { numRuns: 500 },
    );
  });

  it('means the same to a shell if it has no quotes or single quotes', () => {
    for (const text of ['a b', '$HOME', '`date`', 'a#b', 'x;rm y', '~', 'a&b', 'two\nlines', '*', '!x']) {
      const script = `${formatEnvLine('A', text)}\nprintf %s "$A"`;
      expect(execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' })).toBe(text);
    }
  });
});

describe('changing an env file', () => {
  it('keeps lines and comments, changes in place, adds at the end, empties removed variables', () => {
    const text = '# head\nA=1 # one\nB="x\ny"\n\nC=3\n#D=4\n';
    const changes = new Map<string, string | null>([
      ['B', 'b b'],
      ['C', null],
      ['D', '5'],
      ['E', null],
    ]);
    expect(updateEnvFile(text, changes)).toBe("# head\nA=1 # one\nB='b b'\n\nC=\n#D=4\nD=5\n");
  });

  it('changes every line of a variable that is set twice, and drops a byte order mark', () => {
    expect(updateEnvFile('\ufeffA=1\nA=1', new Map([['A', '2']]))).toBe('A=2\nA=2\n');
  });

  it('leaves other variables unchanged, whatever the values are', () => {
    const values = fc.dictionary(fc.constantFrom('A', 'B', 'C'), value);
    fc.assert(
      fc.property(values, values, (first, second) => {
        try {
          const changes = (given: Record<string, string>) => new Map(Object.entries(given));
          const text = updateEnvFile(updateEnvFile('', changes(first)), changes(second));
          expect(parse(text)).toEqual({ ...first, ...second });
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
        }
      }),
    );
  });
});
