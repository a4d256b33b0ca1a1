import { describe, expect, it } from '@jest/globals';
import fc, { anyCharacter } from '../support/fast-check.js';
import { progressView } from '../../lib/cli/output/runs.js';
import { bytes, counted, duration } from '../../lib/formats.js';
import { keyName, printable } from '../../lib/snapshot/ledger.js';
import { nameEnvFile, redact, printable as printableText, printableJson } from '../../lib/cli/output/text.js';
import { table } from '../../lib/cli/output/table.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { restoreCommand } from '../../lib/restore/scope-words.js';
import { execFileSync } from 'node:child_process';

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

it.each([
  ['\u001b[2J\u001b]0;title\u0007', '\\u001b[2J\\u001b]0;title\\u0007'],
  ['\u009b31m', '\\u009b31m'],
  ['a\rb\bc\u007f', 'a\\u000db\\u0008c\\u007f'],
  ['safe \u202egnp.exe', 'safe \\u202egnp.exe'],
  ['tab\tand line\nstay, ü and 日本 as well', 'tab\tand line\nstay, ü and 日本 as well'],
])('shows what a terminal would obey: %j', (text, shown) => {
  expect(printableText(text)).toBe(shown);
});

it('writes equivalent JSON without control characters except line ends', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = printableJson(value, undefined);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u);
    }),
  );
  expect(printableJson('\u009b\u202e\u001b', undefined)).toBe('"\\u009b\\u202e\\u001b"');
});

const ID = '20261122T020000Z-x7k2m9';

describe('the undo command', () => {
  it('names the same store and target, and is quoted for a shell', () => {
    expect(restoreCommand(ID, { scope: { project: 'p1' }, target: 'scratch' })).toBe(
      `npx soulcaster-backup restore ${ID} --project p1 --target scratch --env-file .env`,
    );
    const word = fc.string({
      minLength: 1,
      unit: fc.constantFrom('a', "'", '"', '$', '`', '\\', ' ', '!', '*', ';', 'é'),
    });
    fc.assert(
      fc.property(word, (project) => {
        const command = restoreCommand(ID, { scope: { project }, target: null }).replace(
          'npx soulcaster-backup',
          'run',
        );
        const read = execFileSync('sh', ['-c', `run() { printf '%s' "$4"; }; ${command}`]).toString('utf8');
        expect(read).toBe(project);
      }),
      { numRuns: 30 },
    );
  });
});

describe('the progress of a restore', () => {
  it('is described in words, without counts if nothing is counted', () => {
    const told: string[] = [];
    const view = progressView({ onTerminal: false, note: (text) => void told.push(text) }, () => 0);
    const at = (phase: string, doing: string, done: number, total: number | null): void =>
      view.update({ kind: 'restore', phase, doing, progress: { done, total, unit: 'parts', bytes: 0 } } as RunRecord);
    at('check', 'checking the snapshot', 1, 3);
    at('fence', 'locking the projects', 0, null);
    at('write', 'writing', 0, 3);
    at('a-phase-of-an-older-version', '', 0, null);
    expect(told).toEqual([
      'checking the snapshot: 1 of 3 parts',
      'locking the projects',
      'writing: 0 of 3 parts',
      'a-phase-of-an-older-version',
    ]);
  });
});

describe('hints', () => {
  const hint =
    'Run `npx soulcaster-backup cancel R --env-file .env`, or `npx soulcaster-backup unlock database --env-file .env --yes`.';

  it.each([
    ['.env', hint],
    ['staging.env', hint.replaceAll('.env', 'staging.env')],
    ["it's/my env", hint.replaceAll('.env', "'it'\\''s/my env'")],
    [undefined, hint.replaceAll(' --env-file .env', '')],
  ])('name the env file that the command was given: %s', (envFile, expected) => {
    expect(nameEnvFile(hint, envFile)).toBe(expected);
    expect(JSON.parse(printableJson({ hint }, envFile))).toEqual({ hint: expected });
  });

  it('are changed, and keys and values of the database are not', () => {
    const excerpt = 'npx tsx --env-file .env worker.ts failed';
    expect(nameEnvFile(excerpt, 'staging.env')).toBe(excerpt);
    expect(JSON.parse(printableJson({ excerpt }, undefined))).toEqual({ excerpt });
  });

  it('keep the names of other files', () => {
    const other = ['.env.production', '.envrc', './.env']
      .map((file) => `npx soulcaster-backup run R --env-file ${file}`)
      .join('\n');
    expect(nameEnvFile(other, 'staging.env')).toBe(other);
  });
});
