import { describe, expect, it } from '@jest/globals';
import { parseEnvFile, updateEnvFile, formatEnvLine } from '../../lib/app/config/env-file.js';
import { execFileSync } from 'node:child_process';
import fc, { anyCharacter } from '../support/fast-check.js';
import { AppError } from '../../lib/errors.js';

const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const parse = (text: string): Record<string, string> => parseEnvFile(Buffer.from(text));

describe('an env file', () => {
  it('keeps its first variable behind a byte order mark', () => {
    const bytes = Buffer.concat([BOM, Buffer.from('BACKUP_AGE_RECIPIENTS=age1x\nB=2\n')]);
    expect(parseEnvFile(bytes)).toEqual({ BACKUP_AGE_RECIPIENTS: 'age1x', B: '2' });
  });

  it.each([
    ['lines ended by CR and LF', 'A=1\r\nB="2"\r\n', { A: '1', B: '2' }],
    ['lines ended by CR', 'A=1\rB=2\r', { A: '1', B: '2' }],
    ['no line end at the end', 'A=1', { A: '1' }],
    ['export', 'export A=1\nexport  B="2"', { A: '1', B: '2' }],
    ['blanks around it all', '  A = 1 \t\n\tB\t=\t2', { A: '1', B: '2' }],
    ['quotes of three kinds', `A="1 #2"\nB='x"y'\nC=\`z'\``, { A: '1 #2', B: 'x"y', C: "z'" }],
    ['comments', '# head\nA=1 # one\nB="2" # two\n  # C=3\n\nD= # none', { A: '1', B: '2', D: '' }],
    ['line ends as vercel env pull writes them', 'A="-----BEGIN\\nx\\n"', { A: '-----BEGIN\nx\n' }],
    ['a value of several lines', 'A="-----BEGIN\nx\n-----END"\nB=2', { A: '-----BEGIN\nx\n-----END', B: '2' }],
    ['an empty value', 'A=\nB=""\nC=1', { A: '', B: '', C: '1' }],
    ['an equals sign in a value', 'A=a=b==', { A: 'a=b==' }],
    ['the same twice', 'A=1\nA="1"', { A: '1' }],
    ['nothing', '', {}],
  ])('is read with %s', (_, text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  it.each([
    ['a name given twice, differently', 'A=1\nB=2\nA=3', /A is set twice, differently, in lines 1 and 3/],
    ['a # within a value', 'A=1\nTOKEN=ab#cd', /TOKEN in line 2 has a # in its value/],
    ['a # at the beginning of a value', 'A=#x', /A in line 1 has a #/],
    ['a quote that is not closed', 'A="x\nB=2', /A in line 1 has a quote that is not closed/],
    ['text after a quote', 'A="x"y', /A in line 1 has text after its closing quote/],
    ['a quote within quotes', 'A="x\\"y"', /A in line 1 has text after/],
    ['a line without a value', 'A=1\nBACKUP_AGE_RECIPIENTS', /Line 2 is not NAME=value/],
    ['a name with a hyphen', 'MY-NAME=1', /Line 1 is not NAME=value/],
    ['a byte order mark in the middle', 'A=1\n\ufeffB=2', /Line 2 is not NAME=value/],
    ['a blank that does not break', 'A=1\n\u00a0B=2', /Line 2 is not NAME=value/],
    ['a NUL', 'A=1\nB=2\0', /Line 2 contains a NUL/],
  ])('is refused with %s, by line or name and never by value', (_, text, expected) => {
    expect(() => parse(text)).toThrow(expected);
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'config' }));
  });

  it.each([
    ['UTF-16', Buffer.from('\ufeffA=1', 'utf16le'), /UTF-16/],
    ['bytes that are no UTF-8', Buffer.from([0x41, 0x3d, 0xe4]), /not UTF-8/],
  ])('is refused as %s', (_, bytes, expected) => {
    expect(() => parseEnvFile(bytes)).toThrow(expected);
  });
});

/** Values of the characters that grammars trip over, and of any others. */
const value = fc.oneof(
  fc.string({ unit: fc.constantFrom(...Array.from('ab#\'"`\\nr= \t\n\r$!{}()&;*?~\u00e4\ufeff\u2028')) }),
  fc.string({ unit: anyCharacter }).filter((text) => !/[\ud800-\udfff]/.test(text)),
);

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
