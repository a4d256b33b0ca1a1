import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLog } from '../../lib/app/in-process.js';
import { authenticatedStore } from '../../lib/control/authenticated-store.js';
import { ageEncryptor, generateAgeIdentity } from '../../lib/crypto/age.js';
import { ed25519Signer, generateSigningKey } from '../../lib/crypto/ed25519.js';
import { decodeJson } from '../../lib/json.js';
import {
  copyErasures,
  ERASURES_NAME,
  loadErasedIds,
  saveErasure,
  withdrawErasure,
} from '../../lib/snapshot/erasures.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';

let folder: FolderStore;
beforeEach(async () => {
  folder = await folderStore();
});
afterEach(() => folder.remove());

const entry = (id: string) => ({
  kind: 'project' as const,
  id,
  projects: [id],
  reason: 'asked',
  at: '2026-11-26T10:00:00Z',
  by: 'ops',
});
const stored = async (store = folder.store, name = ERASURES_NAME) =>
  decodeJson((await store.read(name))?.body ?? Buffer.from('null')) as { recipients?: readonly string[]; age?: string };

describe('an erasure list that is encrypted to recipients of an earlier day', () => {
  it('is encrypted to the present ones by whoever reads it with both identities, in both stores', async () => {
    const [old, fresh] = [await generateAgeIdentity(), await generateAgeIdentity()];
    const before = ageEncryptor({ recipients: [old.recipient], identity: old.identity });
    const both = ageEncryptor({ recipients: [fresh.recipient], identity: `${fresh.identity},${old.identity}` });
    const after = ageEncryptor({ recipients: [fresh.recipient], identity: fresh.identity });
    const second = await folderStore();
    // A list of an earlier first store, which a replication keeps beside the new one.
    await saveErasure({ store: second.store, encryptor: before }, entry('p0'));
    await saveErasure({ store: folder.store, encryptor: before }, entry('p1'));
    await copyErasures(folder.store, second.store);
    await expect(loadErasedIds({ store: folder.store, encryptor: after })).rejects.toMatchObject({
      code: 'wrong-key',
      hint: expect.stringContaining(old.recipient) as unknown,
    });

    const other = { store: () => second.store, isFirst: false };
    expect((await loadErasedIds({ store: folder.store, encryptor: both }, other)).projects).toEqual(['p0', 'p1']);

    expect((await loadErasedIds({ store: folder.store, encryptor: after })).projects).toEqual(['p1']);
    expect((await loadErasedIds({ store: second.store, encryptor: after })).projects).toEqual(['p0', 'p1']);
    await expect(loadErasedIds({ store: folder.store, encryptor: before })).rejects.toMatchObject({
      code: 'wrong-key',
    });
    const renewed = await stored();
    expect(renewed.recipients).toEqual([fresh.recipient]);
    await loadErasedIds({ store: folder.store, encryptor: both }, other);
    expect(await stored()).toEqual(renewed);
    await second.remove();
  });

  it('is encrypted where it was in clear text, and is read without an error where it cannot be written', async () => {
    const { recipient, identity } = await generateAgeIdentity();
    const { privateKey, publicKey } = generateSigningKey();
    const signed = (keys: { privateKey: string | null; publicKey: string | null }) =>
      authenticatedStore(folder.store, ed25519Signer(keys), silentLog());
    const own = signed({ privateKey, publicKey });
    const encryptor = ageEncryptor({ recipients: [recipient], identity });
    await saveErasure({ store: own, encryptor: ageEncryptor({ recipients: [], identity: null }) }, entry('p1'));
    const reader = signed({ privateKey: null, publicKey });
    expect((await loadErasedIds({ store: reader, encryptor })).projects).toEqual(['p1']);
    expect((await stored()).age).toBeUndefined();
    expect((await loadErasedIds({ store: own, encryptor })).projects).toEqual(['p1']);
    expect((await stored()).age).toEqual(expect.any(String));
    expect((await loadErasedIds({ store: reader, encryptor })).projects).toEqual(['p1']);
  });
});

describe('a second entry of the same project', () => {
  const encryptor = ageEncryptor({ recipients: [], identity: null });
  const full = { projects: ['p1'], jobs: ['j1', 'j2'], clusters: ['c1'] };

  it('takes over the jobs and clusters of the entry that it replaces', async () => {
    const ports = { store: folder.store, encryptor };
    await saveErasure(ports, { ...entry('p1'), ...full });
    const later = { ...entry('p1'), at: '2026-11-27T10:00:00Z', jobs: ['j3'], clusters: [] };
    expect(await saveErasure(ports, later)).toMatchObject({ jobs: ['j1', 'j2', 'j3'], clusters: ['c1'] });
    expect(await loadErasedIds(ports)).toMatchObject({ jobs: ['j1', 'j2', 'j3'], clusters: ['c1'] });
    // An entry of a version that recorded no jobs.
    await saveErasure(ports, { ...entry('p1'), at: '2026-11-28T10:00:00Z' });
    expect(await loadErasedIds(ports)).toMatchObject({ jobs: ['j1', 'j2', 'j3'], clusters: ['c1'] });
  });

  it('takes over nothing of an entry that was withdrawn', async () => {
    const ports = { store: folder.store, encryptor };
    await saveErasure(ports, { ...entry('p1'), ...full });
    await withdrawErasure(ports, { kind: 'project', id: 'p1' }, { reason: 'wrong', at: '2026-11-27', by: 'ops' });
    await saveErasure(ports, { ...entry('p1'), at: '2026-11-28T10:00:00Z' });
    expect(await loadErasedIds(ports)).toMatchObject({ projects: ['p1'], jobs: [], clusters: [] });
  });
});
