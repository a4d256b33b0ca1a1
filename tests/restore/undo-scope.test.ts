import { describe, expect, it } from '@jest/globals';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { assertScopeHeld, narrowToUndo } from '../../lib/restore/undo-scope.js';
import type { Scope } from '../../lib/restore/model.js';

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
