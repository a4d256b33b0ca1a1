import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import {
  matchesGlob,
  keyMatcher,
  keyText,
  needsFacts,
  parseSelection,
  possibleKeyMatcher,
} from '../../lib/soulcaster/selection.js';
import { FAMILIES } from '../../lib/soulcaster/keys.js';
import { mergeFacts } from '../../lib/soulcaster/project-scope.js';
import { selectionWords } from '../../lib/soulcaster/selection-words.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

/** Few letters, so that patterns match; 0x80 and above, because keys are bytes. */
const byte = fc.constantFrom(...Buffer.from('aabc-]^*'), 0x00, 0xc3, 0xa9, 0xff);
const keyBytes = fc.array(byte, { minLength: 0, maxLength: 6 }).map((bytes) => Buffer.from(bytes));

const inClass = fc.oneof(
  fc.constantFrom('a', 'b', 'c', '^', '*', '\\]', '\\a', '\\-', '-'),
  fc.constantFrom('a-b', 'c-a', 'a-\\', '*-^'),
);
const atom = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', 'b', 'c', '-', ']', '^') },
  { weight: 3, arbitrary: fc.constantFrom('*', '**', '?') },
  { weight: 1, arbitrary: fc.constantFrom('\\*', '\\?', '\\[', '\\a', '\\', '[', '[^', 'é') },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom('', '^'), fc.array(inClass, { maxLength: 3 }), fc.constantFrom(']', ''))
      .map(([not, inner, end]) => `[${not}${inner.join('')}${end}`),
  },
);
const pattern = fc.array(atom, { minLength: 1, maxLength: 5 }).map((atoms) => atoms.join(''));

describe('a pattern', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await startTestDatabase();
  });
  afterAll(() => database.stop());

  it('matches the same keys as KEYS of a real Redis', async () => {
    let matched = 0;
    let refused = 0;
    const property = fc.asyncProperty(
      fc.array(keyBytes, { minLength: 20, maxLength: 60 }),
      fc.array(pattern, { minLength: 10, maxLength: 30 }),
      async (keys, patterns) => {
        await database.redis.flushdb();
        await database.redis.mset(keys.flatMap((key) => [key, 'x']));
        const there = await database.redis.keysBuffer('*');
        for (const one of patterns) {
          const wanted = (await database.redis.keysBuffer(one)).map((key) => key.toString('hex')).sort();
          const found = there.filter((key) => matchesGlob(Buffer.from(one), key)).map((key) => key.toString('hex'));
          expect([one, ...found.sort()]).toEqual([one, ...wanted]);
          matched += found.length;
          refused += there.length - found.length;
        }
      },
    );
    await fc.assert(property, { numRuns: 60 });
    expect(matched).toBeGreaterThan(1_000);
    expect(refused).toBeGreaterThan(1_000);
  });

  it('with many stars takes no longer than with few', () => {
    const began = process.cpuUsage().user;
    expect(matchesGlob(Buffer.from(`${'*a'.repeat(40)}b`), Buffer.from('a'.repeat(2_000)))).toBe(false);
    expect(process.cpuUsage().user - began).toBeLessThan(1_000_000);
  });
});

describe('a selection', () => {
  const facts = new Map([
    ['p1', mergeFacts([{ jobs: ['j1'], clusters: ['c1'], users: ['u1'] }])],
    ['p2', mergeFacts([{ jobs: ['j2'], clusters: [], users: ['u1'] }])],
  ]);
  const all = [
    'feedback:p1:f1',
    'feedback:p2:f2',
    'feedback:p3:f3',
    'job:j1',
    'job:j2:logs',
    'job:j3',
    'cluster:jobs:c1',
    'user:projects:u1',
    'user:projects:u2',
    'cluster:lock:p1',
    'elsewhere',
  ];
  const select = (input: Parameters<typeof parseSelection>[0]) => {
    const matcher = keyMatcher(parseSelection(input), facts);
    return all.flatMap((key) => {
      const belonging = matcher(Buffer.from(key));
      return belonging === 'other' ? [] : [belonging === 'shared' ? `${key} (shared)` : key];
    });
  };

  it('without entries selects everything', () => {
    expect(select({})).toEqual(all);
  });

  it('matches any entry of a list, and every list', () => {
    expect(select({ project: ['p1'] })).toEqual([
      'feedback:p1:f1',
      'job:j1',
      'cluster:jobs:c1',
      'user:projects:u1 (shared)',
    ]);
    expect(select({ project: ['p1', 'p2'], family: ['job', 'job-logs'] })).toEqual(['job:j1', 'job:j2:logs']);
    expect(select({ match: ['feedback:*', 'job:*'], family: ['job'] })).toEqual(['job:j1', 'job:j3']);
    expect(select({ key: ['elsewhere', 'job:j3'], match: ['e*'] })).toEqual(['elsewhere']);
    expect(select({ family: ['cluster-lock', 'other'] })).toEqual(['cluster:lock:p1', 'elsewhere']);
  });

  it('requires facts for keys that need them, and can do without at first', () => {
    const jobs = parseSelection({ project: ['p1'], family: ['job', 'feedback'] });
    expect(needsFacts(jobs)).toBe(true);
    expect(() => keyMatcher(jobs)).toThrow('facts');
    const possible = possibleKeyMatcher(jobs);
    expect(all.filter((key) => possible(Buffer.from(key)) !== 'other')).toEqual(['feedback:p1:f1', 'job:j1', 'job:j3']);
    const items = parseSelection({ project: ['p3'], family: ['feedback'] });
    expect(needsFacts(items)).toBe(false);
    expect(keyMatcher(items)(Buffer.from('feedback:p3:f3'))).toBe('owned');
  });

  it('accepts keys that are not text', () => {
    const key = Buffer.from([0x6b, 0xff]);
    const matcher = keyMatcher(parseSelection({ key: [`base64:${key.toString('base64')}`] }));
    expect([matcher(key), matcher(Buffer.from('k'))]).toEqual(['owned', 'other']);
    expect(keyText('base64:YWJj')).toBe('base64:YWJj');
    expect(keyText('base64:/w==')).toEqual({ b: '/w==' });
    expect(keyMatcher(parseSelection({ key: [''] }))(Buffer.alloc(0))).toBe('owned');
  });

  it('refuses entries that can select nothing, with one clear error', () => {
    expect(() => parseSelection({ family: ['feedbacks'] })).toThrow('There is no family "feedbacks"');
    try {
      parseSelection({ family: ['feedbacks'] });
    } catch (error) {
      expect(error).toMatchObject({ code: 'usage', hint: `Families: ${FAMILIES.join(', ')}.` });
    }
    expect(() => parseSelection({ project: [' '] })).toThrow('" " is no id of a project');
    expect(() => parseSelection({ project: ['sha256:19b9941974e099a3'] })).toThrow("the hash of a project's id");
    expect(() => parseSelection({ match: [''] })).toThrow('is empty');
    expect(() => parseSelection({ match: ['a'.repeat(1_025)] })).toThrow('longer than 1024 characters');
    expect(() => parseSelection({ key: Array<string>(1_001).fill('a') })).toThrow('--key is given 1001 times');
  });

  it('is described in words', () => {
    expect(selectionWords(parseSelection({}))).toBe('everything');
    expect(
      selectionWords(parseSelection({ project: ['p1', 'p1'], family: ['job', 'user'], key: ['a', 'b', 'c', 'd'] })),
    ).toBe('project p1, families job and user, keys a, b, c and 1 more');
  });
});
