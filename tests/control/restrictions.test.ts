import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { ed25519Signer, generateSigningKey } from '../../lib/crypto/ed25519.js';
import { silentLog } from '../../lib/app/in-process.js';
import { authenticatedStore } from '../../lib/control/authenticated-store.js';
import type { Signer } from '../../lib/ports/crypto.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import { forgetSnapshot, pinSnapshot, unpinSnapshot } from '../../lib/retention/prune/forget.js';
import { replicate } from '../../lib/retention/replica/replicate.js';
import { acceptSnapshot, signUnsignedState } from '../../lib/snapshot/accept.js';
import { unfinishedDoubts } from '../../lib/snapshot/doubts.js';
import { ERASURES_NAME, loadErasedIds, saveErasure } from '../../lib/snapshot/erasures.js';
import { sha256 } from '../../lib/snapshot/manifest.js';
import { adoptSource, readAdoptedSources } from '../../lib/snapshot/source.js';
import { PINS_NAME, readPins } from '../../lib/snapshot/pins.js';
import { addMark, endMarks, marksName, unfinishedOf } from '../../lib/snapshot/unfinished-marks.js';
import { scratchStore, withSnapshotBeside } from '../../lib/transfer/scratch-store.js';
import { days, listed, noon, NOW, pruneIn } from '../retention/prune/bench.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { makeSnapshot, UNSIGNED } from '../support/made-snapshots.js';
import { trustIn } from '../support/trust.js';

const SOURCE = sha256('host');
const keyed = () => ed25519Signer({ ...generateSigningKey(), publicKey: null });
const said = { by: 'ops', reason: 'before the migration' };
const mark = { run: 'run-1', scope: { all: true as const }, mode: 'replace', since: 'x', kind: 'restore' };
let folder: FolderStore;
let plain: ObjectStore;
beforeEach(async () => {
  folder = await folderStore();
  plain = authenticatedStore(folder.store, UNSIGNED, silentLog());
});
afterEach(() => folder.remove());

async function put(name: string, body: string): Promise<void> {
  await folder.store.remove(name);
  await folder.store.create(name, Buffer.from(body));
}

/** The same store, as it is seen from where a key was set since, or another one. */
const withKey = (signer = keyed()): ObjectStore => authenticatedStore(folder.store, signer, silentLog());

describe('pins from before a signing key was set', () => {
  it('still keep snapshots from being pruned and forgotten, and are signed when one is changed', async () => {
    const signer = keyed();
    const ids = await days(withKey(signer), 5, { signer });
    const [third = '', fourth = ''] = [ids[2], ids[3]];
    for (const id of [third, fourth]) await pinSnapshot({ clock: noon(), store: plain }, id, said);
    const store = withKey(signer);
    await pruneIn({ store, signer });
    expect(await listed(store)).toEqual(ids.slice(0, 4));
    const ports = { clock: noon(), log: silentLog(), own: null, signer, store };
    await expect(forgetSnapshot(ports, third, { ...said, force: true })).rejects.toMatchObject({ code: 'locked' });
    expect(await unpinSnapshot({ clock: noon(), store }, third)).toBe(true);
    expect([...(await readPins(withKey(signer))).keys()]).toEqual([fourth]);
  });
});

describe('a list of pins that cannot be read', () => {
  it.each(['{"a":', '[]', '{"pinned":7}'])('blocks every removal: %s', async (body) => {
    const ids = await days(folder.store, 4);
    await put(PINS_NAME, body);
    await expect(pruneIn({ store: plain })).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining(PINS_NAME) as unknown,
    });
    expect(await listed(plain)).toEqual(ids);
    await expect(pinSnapshot({ clock: noon(), store: plain }, ids[0] ?? '', said)).rejects.toMatchObject({
      code: 'damaged',
    });
    expect((await readPins(plain)).size).toBe(0);
  });
});

describe('marks of unfinished restores', () => {
  const doubtsIn = (store: ObjectStore) => unfinishedDoubts({ redis: { host: 'host' } as never, store }, null);

  it('from before a signing key was set still make a snapshot doubtful, until it is accepted', async () => {
    await addMark(plain, SOURCE, mark);
    const signer = keyed();
    const store = withKey(signer);
    const doubts = await doubtsIn(store);
    expect(doubts).toMatchObject([{ code: 'restore-unfinished', detail: expect.stringContaining('run-1') as unknown }]);
    const at = new Date(NOW - 3_600_000).toISOString();
    const id = await makeSnapshot(store, { at, signer, doubts });
    const { ended } = await acceptSnapshot(trustIn(store, { own: SOURCE, signer }), id, said);
    expect(ended).toEqual(['run-1']);
    expect(await doubtsIn(withKey(signer))).toEqual([]);
  });

  it('that were all ended before it have no effect', async () => {
    await addMark(plain, SOURCE, mark);
    await endMarks(plain, SOURCE, () => true);
    expect(await doubtsIn(withKey())).toEqual([]);
  });

  it.each(['{"a":', '[]', '', '{"unfinished":7}'])('that cannot be read count as one mark: %j', async (body) => {
    await put(marksName(SOURCE), body);
    for (const store of [plain, withKey()]) {
      expect(await doubtsIn(store)).toMatchObject([{ code: 'restore-unfinished' }]);
      expect(await unfinishedOf(store, SOURCE)).toHaveLength(1);
    }
    await endMarks(plain, SOURCE, () => true);
    expect(await doubtsIn(plain)).toEqual([]);
  });
});

it('an erasure list without a valid signature stops the restore of a file as well', async () => {
  const encryptor = ageEncryptor({ recipients: [], identity: null });
  const entry = { ...said, kind: 'project' as const, id: 'p1', projects: ['p1'], at: new Date(NOW).toISOString() };
  await saveErasure({ store: plain, encryptor }, entry);
  const scratch = await scratchStore(() => NOW);
  const store = withSnapshotBeside(withKey(), scratch, '20261122T020000Z-x7k2m9');
  await expect(loadErasedIds({ store, encryptor })).rejects.toMatchObject({
    code: 'wrong-key',
    message: expect.stringContaining(ERASURES_NAME) as unknown,
  });
  await scratch.discard();
});

describe('a replication over lists of the second store that are signed with another key', () => {
  const encryptor = ageEncryptor({ recipients: [], identity: null });
  const at = new Date(NOW).toISOString();
  const erasure = (id: string) => ({ ...said, kind: 'project' as const, id, projects: [id], at });
  const adopted = (source: string) => ({ source, reason: said.reason, at });
  const [earlier, later] = [generateSigningKey(), generateSigningKey()];
  const now = ed25519Signer({ ...later, publicKey: null });
  const both = ed25519Signer({ privateKey: later.privateKey, publicKey: earlier.publicKey });
  let second: FolderStore;
  beforeEach(async () => void (second = await folderStore()));
  afterEach(() => second.remove());

  const copy = (signer: Signer): Promise<unknown> =>
    replicate(
      {
        ...{ clock: noon(), log: silentLog(), own: null, signer, store: withKey(signer) },
        replica: authenticatedStore(second.store, signer, silentLog()),
      },
      { dryRun: false },
    );
  const there = (signer: Signer): ObjectStore => authenticatedStore(second.store, signer, silentLog());

  it('leaves the erasure list as it is, and fails until the list is believed', async () => {
    await saveErasure({ store: there(ed25519Signer({ ...earlier, publicKey: null })), encryptor }, erasure('p1'));
    await saveErasure({ store: withKey(now), encryptor }, erasure('p2'));
    const before = (await second.store.read(ERASURES_NAME))?.etag;
    await expect(copy(now)).rejects.toMatchObject({
      code: 'wrong-key',
      message: expect.stringContaining('erasure list of the second store') as unknown,
      hint: expect.stringContaining('BACKUP_SIGNING_PUBLIC_KEY') as unknown,
    });
    expect((await second.store.read(ERASURES_NAME))?.etag).toBe(before);
    await copy(both);
    expect((await loadErasedIds({ store: there(both), encryptor })).projects).toEqual(['p1', 'p2']);
  });

  it('leaves the adopted sources as they are, and fails until they are believed', async () => {
    await adoptSource(there(ed25519Signer({ ...earlier, publicKey: null })), 'own', adopted('old'));
    await adoptSource(withKey(now), 'own', adopted('older'));
    await expect(copy(now)).rejects.toMatchObject({
      code: 'wrong-key',
      message: expect.stringContaining('adopted sources of the second store') as unknown,
    });
    await copy(both);
    expect([...(await readAdoptedSources(there(both), 'own'))].sort()).toEqual(['old', 'older', 'own']);
  });

  it('replaces lists from before a key was set that say nothing else', async () => {
    await saveErasure({ store: plain, encryptor }, erasure('p1'));
    await adoptSource(plain, 'own', adopted('old'));
    const ports = { clock: noon(), log: silentLog(), own: null, signer: UNSIGNED, store: plain };
    await replicate({ ...ports, replica: second.store }, { dryRun: false });
    await signUnsignedState({ store: withKey(now), signer: now }, at);
    await second.store.remove('leases/prune.json');
    await copy(now);
    expect((await loadErasedIds({ store: there(now), encryptor })).projects).toEqual(['p1']);
    expect((await readAdoptedSources(there(now), 'own')).has('old')).toBe(true);
  });
});
