import { describe, expect, it } from '@jest/globals';
import { requestOf } from '../../lib/cli/restore/request.js';
import { scopeSchema, type Scope } from '../../lib/restore/model.js';
import { confirmationFor, scopeWords, restoreCommand } from '../../lib/restore/scope-words.js';
import { isUnbounded, normalizeScope, sameScope } from '../../lib/restore/scope.js';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { assertScopeHeld, narrowToUndo } from '../../lib/restore/undo-scope.js';

const NONE = { projects: [], families: [], matches: [], keys: [] };
const DEFAULTS = { mode: 'replace', ttl: 'keep', safety: true, settle: true, reindex: true } as const;
const request = (options: object) => requestOf('latest', { ...DEFAULTS, ...options });

describe('the scope of a restore', () => {
  it('has one normal form, however it is written', () => {
    expect(normalizeScope({ ...NONE, projects: ['a', 'a'] })).toEqual({ project: 'a' });
    expect(sameScope({ ...NONE, keys: ['b', 'a'] }, { ...NONE, keys: ['a', 'b', 'a'] })).toBe(true);
    expect(sameScope({ ...NONE, keys: ['a'] }, { ...NONE, matches: ['a'] })).toBe(false);
    expect(request({ project: ['a'] }).scope).toEqual({ project: 'a' });
    expect(request({}).scope).toEqual({ all: true });
    expect(request({ family: ['config'], key: ['k'] }).scope).toEqual({ ...NONE, families: ['config'], keys: ['k'] });
    expect(request({ item: ['p/a/b', 'p/1'] }).scope).toEqual({
      items: [
        { project: 'p', id: '1' },
        { project: 'p', id: 'a/b' },
      ],
    });
  });

  it('has words, a confirmation text, and options that parse back to it', () => {
    const items = (...ids: string[]) => ({ items: ids.map((id) => ({ project: 'p', id })) });
    const cases = [
      [{ all: true } as const, 'everything', 's', ''],
      [{ project: 'p' }, 'project p', 'p', '--project p '],
      [items('1'), 'item p/1', 'p/1', '--item p/1 '],
      [items('1', '2'), 'items p/1 and p/2', 's', '--item p/1 --item p/2 '],
      [
        { projects: ['p'], families: ['config'], matches: ['a*'], keys: ["it's"] },
        "project p, family config, keys matching a*, key it's",
        's',
        `--project p --family config --match 'a*' --key 'it'\\''s' `,
      ],
    ] as const;
    for (const [scope, words, confirmed, options] of cases) {
      const parsed = scopeSchema.parse(scope);
      expect(scopeWords(parsed)).toBe(words);
      expect(confirmationFor(parsed, 's')).toBe(confirmed);
      const command = `npx soulcaster-backup restore s ${options}--env-file .env`;
      expect(restoreCommand('s', { scope: parsed, target: null })).toBe(command);
    }
  });

  it('may remove anything only if it names no project, key or item', () => {
    expect(isUnbounded({ all: true })).toBe(true);
    expect(isUnbounded({ ...NONE, matches: ['*'] })).toBe(true);
    expect(isUnbounded({ ...NONE, families: ['job'] })).toBe(true);
    expect(isUnbounded({ ...NONE, matches: ['*'], keys: ['a'] })).toBe(false);
    expect(isUnbounded({ items: [{ project: 'p', id: '1' }] })).toBe(false);
  });

  it.each([
    [{ family: ['feedbacks'] }, 'There is no family "feedbacks"'],
    [{ match: [''] }, 'is empty'],
    [{ match: ['x'.repeat(2000)] }, 'is longer than 1024 characters'],
    [{ project: [' '] }, 'is no id of a project'],
    [{ item: ['no-slash'] }, '"no-slash" is not an item'],
    [{ item: ['/1'] }, '"/1" is not an item'],
    [{ item: ['p/'] }, '"p/" is not an item'],
    [{ item: ['p/1'], key: ['k'] }, '--item cannot be used with --project'],
  ])('that can select nothing is refused: %j', (options, message) => {
    expect(() => request(options)).toThrow(message);
  });
});

const ports = { encryptor: ageEncryptor({ recipients: [], identity: null }) };
const ID = '20261122T020000Z-x7k2m9';
/** Of the snapshot that was taken before a restore of one project into a target. */
const manifest = { id: ID, partial: true as const, undoes: { project: 'p', target: 'standby' } };
const everything: Scope = { all: true };

describe('the undo of a restore into a target', () => {
  it.each([
    [
      { scope: everything, target: null },
      { scope: { project: 'p' }, target: 'standby' },
    ],
    [
      { scope: everything, target: null, everything: true },
      { scope: everything, target: 'standby' },
    ],
    [
      { scope: everything, target: 'other', everything: true },
      { scope: everything, target: 'other' },
    ],
  ])('goes to that target unless another one is named: %j', async (request, narrowed) => {
    expect(await narrowToUndo(ports, request, manifest)).toMatchObject(narrowed);
  });

  it.each([
    ['standby', '`npx soulcaster-backup restore latest --target standby --env-file .env`'],
    [null, '`npx soulcaster-backup restore latest --env-file .env`'],
  ])('beyond what it holds names the command for everything, into %s', async (target, command) => {
    const held = assertScopeHeld(ports, { mode: 'replace', scope: everything, target }, manifest);
    await expect(held).rejects.toMatchObject({ code: 'usage', hint: expect.stringContaining(command) });
  });
});
