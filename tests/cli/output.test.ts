import { describe, expect, it } from '@jest/globals';
import fc, { anyCharacter } from '../support/fast-check.js';
import { progressView } from '../../lib/cli/output/progress.js';
import { bytes, counted, duration, keyName, printable } from '../../lib/cli/output/format.js';
import { redact } from '../../lib/cli/output/redact.js';
import { table } from '../../lib/cli/output/table.js';
import type { RunRecord } from '../../lib/runs/model.js';

describe('printable', () => {
  it('escapes every control character in names of keys', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (name) => {
        expect(printable(name)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      }),
    );
    expect(printable('a\u001b[31mb\u202e')).toBe('a\\u001b[31mb?');
  });

  it('leaves ordinary names unchanged, cuts long names and marks binary ones', () => {
    expect(printable('feedback:created:Ж-1')).toBe('feedback:created:Ж-1');
    expect(printable('x'.repeat(81))).toBe(`${'x'.repeat(80)}...`);
    expect(keyName({ b: '/wA=' })).toBe('base64:/wA=');
  });
});

describe('numbers', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1_572_864, '1.5 MiB'],
    [5 * 1024 ** 4, '5.0 TiB'],
  ])('%d bytes are %s', (size, text) => expect(bytes(size)).toBe(text));

  it.each([
    [0, '0.0 s'],
    [1_500, '1.5 s'],
    [59_000, '59 s'],
    [93_000, '1 min 33 s'],
    [3_600_000, '1 h 0 min'],
    [200_000_000, '2 d 7 h'],
  ])('%d ms are %s', (ms, text) => expect(duration(ms)).toBe(text));

  it('have their noun', () => expect([counted(1, 'key'), counted(1200, 'key')]).toEqual(['1 key', '1,200 keys']));
});

describe('redact', () => {
  it('removes every secret, anywhere in the text', () => {
    const env = { API_TOKEN: 'abc$&def', OTHER: 'abcdefgh', SHORT_KEY: 'ab' };
    expect(redact('x abc$&def y abc$&def abcdefgh ab', env)).toBe('x <API_TOKEN> y <API_TOKEN> abcdefgh ab');
  });
});

describe('table', () => {
  it('has no lines and no colours, and numbers to the right', () => {
    const text = table(
      ['name', 'keys'],
      [
        ['a', '1'],
        ['bcdefg', '1,000'],
      ],
      [1],
    );
    expect(text).toBe('NAME     KEYS\na           1\nbcdefg  1,000');
  });
});

describe('progress without a terminal', () => {
  it('is a line for each phase and every few seconds, with rate and remaining time', () => {
    let now = 0;
    const told: string[] = [];
    const view = progressView({ onTerminal: false, note: (text) => void told.push(text) }, () => now);
    const at = (ms: number, phase: string, done: number, total: number | null): void => {
      now = ms;
      const doing = phase === 'scan' ? 'reading the database' : '';
      const progress = { done, total, unit: 'keys', bytes: done * 1024 };
      view.update({ kind: 'snapshot', phase, doing, progress } as RunRecord);
    };
    at(0, 'scan', 0, 1000);
    at(1000, 'scan', 100, 1000);
    at(4000, 'scan', 400, 1000);
    at(4100, 'seal', 1, null);
    view.stop();
    expect(told).toEqual([
      'reading the database: 0 of 1,000 keys, 0 B',
      'reading the database: 400 of 1,000 keys, 400.0 KiB, 100 keys/s, about 6.0 s left',
      'seal: 1 keys, 1.0 KiB',
    ]);
  });
});
