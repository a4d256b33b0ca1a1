import { describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import fc from '../support/fast-check.js';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { AppError } from '../../lib/errors.js';
import type { Encryptor } from '../../lib/ports/index.js';
import { addToLedger, hasEncryptedNames, openLedger } from '../../lib/snapshot/ledger.js';
import { ledgerSchema, type Ledger } from '../../lib/snapshot/manifest.js';
import { partIndexSchema, type PartIndex } from '../../lib/snapshot/part-index.js';
import { labelProjects, projectLabel } from '../../lib/snapshot/counts.js';

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const list = fc.constantFrom('failed', 'unsupported', 'changedMeanwhile');

function emptyLedger(): Ledger {
  const none = () => ({ count: 0, keys: [] });
  return { saved: 0, expiredMeanwhile: 0, changedMeanwhile: none(), unsupported: none(), failed: none() };
}

async function stored(encryptor: Encryptor, entries: readonly (readonly ['failed', Buffer])[]): Promise<Ledger> {
  let ledger = emptyLedger();
  for (const [name, key] of entries) ledger = await addToLedger(encryptor, ledger, name, key, 'ERR');
  return ledgerSchema.parse(JSON.parse(JSON.stringify(ledger)));
}

describe('an encrypted ledger', () => {
  it('decrypts to the ledger without recipients, for any bytes of the keys', async () => {
    const identity = await generateX25519Identity();
    const recipients = [await identityToRecipient(identity)];
    const [plain, both] = [ageEncryptor({ recipients: [], identity: null }), ageEncryptor({ recipients, identity })];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(list, bytes), { maxLength: 4 }), async (entries) => {
        let [open, sealed] = [emptyLedger(), emptyLedger()];
        for (const [name, key] of entries) {
          open = await addToLedger(plain, open, name, key, 'ERR');
          sealed = await addToLedger(both, sealed, name, key, 'ERR');
        }
        const read = ledgerSchema.parse(JSON.parse(JSON.stringify(sealed)));
        expect([hasEncryptedNames(open), hasEncryptedNames(read)]).toEqual([false, entries.length > 0]);
        expect(await openLedger(both, read)).toEqual(open);
        expect(await openLedger(both, open)).toEqual(open);
      }),
      { numRuns: 30 },
    );
  });

  it('keeps an altered name encrypted, and decrypts the others', async () => {
    const identity = await generateX25519Identity();
    const encryptor = ageEncryptor({ recipients: [await identityToRecipient(identity)], identity });
    const names = ['first', 'second'].map((name) => Buffer.from(name));
    const ledger = await stored(
      encryptor,
      names.map((name) => ['failed', name] as const),
    );
    const altered = { key: { age: Buffer.from('no age file').toString('base64') }, reason: 'ERR' };
    ledger.failed.keys[0] = altered;
    expect((await openLedger(encryptor, ledger)).failed.keys).toEqual([altered, { key: 'second', reason: 'ERR' }]);
  });

  it('throws an error that does not mean that a name cannot be decrypted', async () => {
    const encryptor = ageEncryptor({
      recipients: [await identityToRecipient(await generateX25519Identity())],
      identity: null,
    });
    const ledger = await stored(encryptor, [['failed', Buffer.from('name')]]);
    const broken = {
      ...encryptor,
      canOpen: true,
      open: () => Promise.reject(new AppError('internal', 'x', { hint: '' })),
    };
    await expect(openLedger(broken, ledger)).rejects.toMatchObject({ code: 'internal' });
  });
});

describe('labels of projects', () => {
  const project = fc.option(fc.oneof(fc.constant('__proto__'), fc.string()), { nil: null });
  const table = fc.array(fc.tuple(fc.constant('hash'), fc.constant('feedback'), project));

  it('replace every id beside an encrypted part, and none beside a plain one', () => {
    fc.assert(
      fc.property(table, (rows) => {
        const index: PartIndex = { hashes: 'AA==', lines: 'BB==', kinds: 'CC==', table: rows, voids: [3] };
        expect(labelProjects(index, '')).toBe(index);
        const labelled = partIndexSchema.parse(labelProjects(index, '.age'));
        expect({ ...labelled, table: [] }).toEqual({ ...index, table: [] });
        expect(labelled.table.map(([, , label]) => label)).toEqual(
          rows.map(([, , id]) => (id === null ? null : projectLabel(id))),
        );
        const labels = labelled.table.flatMap(([, , label]) => label ?? []);
        expect(labels.filter((label) => !/^sha256:[0-9a-f]{16}$/.test(label))).toEqual([]);
      }),
    );
  });

  it('are the first 64 bits of SHA-256 in hexadecimal', () => {
    // FIPS 180-2, appendix B.1: the digest of "abc".
    expect(projectLabel('abc')).toBe('sha256:ba7816bf8f01cfea');
  });
});
