import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLog } from '../../../lib/app/in-process.js';
import { forgetSnapshot, pinSnapshot, unpinSnapshot } from '../../../lib/retention/prune/forget.js';
import { replicate } from '../../../lib/retention/replica/replicate.js';
import type { ObjectStore } from '../../../lib/ports/store.js';
import { authenticatedStore } from '../../../lib/control/authenticated-store.js';
import { ed25519Signer, generateSigningKey } from '../../../lib/crypto/ed25519.js';
import { ageEncryptor } from '../../../lib/crypto/age.js';
import { readAdoptedSources, adoptSource, disownSource } from '../../../lib/snapshot/source.js';
import { loadErasedIds, loadErasures, saveErasure, withdrawErasure } from '../../../lib/snapshot/erasures.js';
import { PINS_NAME, readPins } from '../../../lib/snapshot/pins.js';
import { sha256 } from '../../../lib/snapshot/manifest.js';
import { manifestName } from '../../../lib/snapshot/names.js';
import { addMark, endMarks } from '../../../lib/snapshot/unfinished-marks.js';
import { readTombstone, tombstoneName } from '../../../lib/snapshot/tombstone.js';
import { checkChain } from '../../../lib/snapshot/chain.js';
import { folderStore, type FolderStore } from '../../support/folder-store.js';
import { UNSIGNED } from '../../support/made-snapshots.js';
import { days, listed, namesIn, noon, pruneIn, writeRun } from './bench.js';

let folder: FolderStore;
beforeEach(async () => {
  folder = await folderStore();
});
afterEach(() => folder.remove());
const store = (): ObjectStore => folder.store;
const noonText = '2026-11-22T12:00:00.000Z';
const said = { by: 'ops', reason: 'before the migration' };
const pin = (id: string, at = store()) => pinSnapshot({ clock: noon(), store: at }, id, said);
const forget = (id: string, force = false) =>
  forgetSnapshot({ clock: noon(), log: silentLog(), own: null, signer: UNSIGNED, store: store() }, id, {
    ...said,
    force,
  });

describe('a pinned snapshot', () => {
  it('stays until it is unpinned, and the prune says why', async () => {
    const ids = await days(store(), 5);
    const old = ids[4] ?? '';
    expect(await pin(old)).toEqual({ id: old, at: '2026-11-22T12:00:00.000Z', ...said });
    const { decisions } = await pruneIn({ store: store() });
    expect(decisions.find(({ id }) => id === old)).toEqual({ id: old, keep: true, reasons: ['pinned'] });
    expect(await listed(store())).toEqual([ids[0], ids[1], old]);
    expect(await checkChain({ store: store(), signer: UNSIGNED })).toEqual([]);
    expect(await unpinSnapshot({ clock: noon(), store: store() }, old)).toBe(true);
    expect(await unpinSnapshot({ clock: noon(), store: store() }, old)).toBe(false);
    await pruneIn({ store: store() });
    expect(await listed(store())).toEqual(ids.slice(0, 2));
  });

  it('is kept if it is pinned while a prune is about to remove it', async () => {
    const ids = await days(store(), 4);
    const meddled = {
      ...store(),
      async create(name: string, body: Uint8Array) {
        const made = await store().create(name, body);
        if (name === tombstoneName(ids[2] ?? '')) await pin(ids[2] ?? '');
        return made;
      },
    };
    expect((await pruneIn({ store: meddled })).snapshots).toMatchObject({ removed: 1, left: 1 });
    expect(await listed(store())).toEqual(ids.slice(0, 3));
    expect(await store().read(tombstoneName(ids[2] ?? ''))).toBeNull();
  });

  it('is pinned in the second store, too, after replication; the erasure list is copied as well', async () => {
    const second = await folderStore();
    const ids = await days(store(), 3);
    await pin(ids[2] ?? '');
    const encryptor = ageEncryptor({ recipients: [], identity: null });
    const entry = { ...said, kind: 'project', id: 'p1', projects: ['p1'], at: '2026-11-22T12:00:00Z' } as const;
    await saveErasure({ store: store(), encryptor }, { ...entry, projects: [...entry.projects] });
    const ports = { clock: noon(), log: silentLog(), own: null, signer: UNSIGNED };
    await replicate({ ...ports, store: store(), replica: second.store }, { dryRun: false });
    expect((await readPins(second.store)).get(ids[2] ?? '')).toMatchObject(said);
    expect(await loadErasures({ store: second.store, encryptor })).toMatchObject([{ id: 'p1', withdrawn: null }]);
    await second.remove();
  });

  it('keeps what only the second store knows when the first one is new: pins, adopted sources, erasures', async () => {
    const [second, next] = [await folderStore(), await folderStore()];
    const ports = { clock: noon(), log: silentLog(), own: null, signer: UNSIGNED, replica: second.store };
    const encryptor = ageEncryptor({ recipients: [], identity: null });
    const erasure = (id: string, at: string) => ({ ...said, kind: 'project' as const, id, projects: [id], at });
    const ids = await days(store(), 3);
    await pin(ids[2] ?? '');
    await pin(ids[1] ?? '');
    await adoptSource(store(), 'new', { source: 'old', reason: said.reason, at: '2026-11-20T00:00:00.000Z' });
    await adoptSource(store(), 'new', { source: 'wrong', reason: said.reason, at: '2026-11-20T00:00:00.000Z' });
    await saveErasure({ store: store(), encryptor }, erasure('p1', '2026-11-20T00:00:00.000Z'));
    await saveErasure({ store: store(), encryptor }, erasure('p2', '2026-11-20T00:00:00.000Z'));
    await replicate({ ...ports, store: store() }, { dryRun: false });

    await days(next.store, 1);
    await pin('20261101T000000Z-aaaaaa', next.store);
    await adoptSource(next.store, 'new', { source: 'other', reason: said.reason, at: '2026-11-21T00:00:00.000Z' });
    await adoptSource(next.store, 'new', { source: 'wrong', reason: said.reason, at: '2026-11-21T00:00:00.000Z' });
    await disownSource(next.store, 'new', { source: 'wrong', reason: 'slip', at: '2026-11-21T01:00:00.000Z' });
    await saveErasure({ store: next.store, encryptor }, erasure('p9', '2026-11-21T00:00:00.000Z'));
    const other = { store: () => second.store, isFirst: false };
    const withdrawn = { ...said, at: '2026-11-21T02:00:00.000Z' };
    await withdrawErasure({ store: next.store, encryptor }, { kind: 'project', id: 'p2' }, withdrawn, other);
    for (let times = 0; times < 2; times++) {
      await replicate({ ...ports, store: next.store }, { dryRun: false });
      expect([...(await readPins(second.store)).keys()].sort()).toEqual([
        '20261101T000000Z-aaaaaa',
        ...[ids[2], ids[1]].sort(),
      ]);
      expect([...(await readAdoptedSources(second.store, 'new'))].sort()).toEqual(['new', 'old', 'other']);
      expect((await loadErasedIds({ store: second.store, encryptor })).projects).toEqual(['p1', 'p9']);
    }
    expect(await unpinSnapshot({ clock: noon(), store: second.store }, ids[1] ?? '')).toBe(true);
    await replicate({ ...ports, store: next.store }, { dryRun: false });
    expect((await readPins(second.store)).has(ids[1] ?? '')).toBe(false);
    await Promise.all([second.remove(), next.remove()]);
  });

  it('leaves every erasure list for a third store, once the second store has taken the place of the first', async () => {
    const [second, next, third] = [await folderStore(), await folderStore(), await folderStore()];
    const encryptor = ageEncryptor({ recipients: [], identity: null });
    const erasure = (id: string) => ({ ...said, kind: 'project' as const, id, projects: [id], at: noonText });
    const copy = (from: ObjectStore, to: ObjectStore) =>
      replicate(
        { clock: noon(), log: silentLog(), own: null, signer: UNSIGNED, store: from, replica: to },
        { dryRun: false },
      );
    await saveErasure({ store: store(), encryptor }, erasure('p1'));
    await copy(store(), second.store);
    await saveErasure({ store: next.store, encryptor }, erasure('p2'));
    await copy(next.store, second.store);
    for (let times = 0; times < 2; times++) await copy(second.store, third.store);
    expect((await loadErasedIds({ store: third.store, encryptor })).projects).toEqual(['p1', 'p2']);
    await Promise.all([second.remove(), next.remove(), third.remove()]);
  });

  it('is pinned in the second store as well where the pin is from before a signing key was set', async () => {
    const second = await folderStore();
    const ids = await days(store(), 2);
    await pin(ids[1] ?? '');
    const signer = ed25519Signer({ privateKey: generateSigningKey().privateKey, publicKey: null });
    const signed = (plain: ObjectStore) => authenticatedStore(plain, signer, silentLog());
    const ports = { clock: noon(), log: silentLog(), own: null, signer };
    await replicate({ ...ports, store: signed(store()), replica: signed(second.store) }, { dryRun: false });
    expect((await readPins(signed(second.store))).has(ids[1] ?? '')).toBe(true);
    await store().swap(PINS_NAME, Buffer.from('{'), (await store().read(PINS_NAME))?.etag ?? '');
    const again = replicate({ ...ports, store: signed(store()), replica: signed(second.store) }, { dryRun: false });
    await expect(again).rejects.toMatchObject({ code: 'damaged' });
    await second.remove();
  });

  it('is unpinned in the second store too, once it was replicated', async () => {
    const second = await folderStore();
    const ids = await days(store(), 2);
    const ports = { clock: noon(), log: silentLog(), own: null, signer: UNSIGNED, replica: second.store };
    await pin(ids[1] ?? '');
    await replicate({ ...ports, store: store() }, { dryRun: false });
    await unpinSnapshot({ clock: noon(), store: store() }, ids[1] ?? '');
    await replicate({ ...ports, store: store() }, { dryRun: false });
    expect((await readPins(second.store)).size).toBe(0);
    await second.remove();
  });

  it('accepts concurrent pins, and requires a reason', async () => {
    const ids = await days(store(), 4);
    await Promise.all(ids.map((id) => pin(id)));
    expect([...(await readPins(store())).keys()].sort()).toEqual([...ids].sort());
    await expect(
      pinSnapshot({ clock: noon(), store: store() }, ids[0] ?? '', { ...said, reason: ' ' }),
    ).rejects.toMatchObject({
      code: 'usage',
    });
  });
});

describe('a forgotten snapshot', () => {
  it('leaves a tombstone and a reason, and a chain that is explained', async () => {
    const ids = await days(store(), 3);
    const [, middle = ''] = ids;
    const { objects, word } = await forget(middle);
    expect(word).toMatchObject({ id: middle, ...said });
    expect(objects).toBeGreaterThan(1);
    expect(await listed(store())).toEqual([ids[0], ids[2]]);
    expect(await namesIn(store(), `snapshots/${middle}/`)).toEqual([]);
    expect(await readTombstone({ store: store(), signer: UNSIGNED }, middle)).toMatchObject({ reasons: ['forgotten'] });
    expect(await checkChain({ store: store(), signer: UNSIGNED })).toEqual([]);
    expect((await store().read(PINS_NAME))?.body.toString()).toContain(said.reason);
    await expect(forget(middle)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('must not be pinned, in use, or the last trusted one', async () => {
    const ids = await days(store(), 2);
    const [newest = '', old = ''] = ids;
    await pin(old);
    await expect(forget(old)).rejects.toMatchObject({ code: 'locked', message: expect.stringContaining(said.reason) });
    const second = { ...store(), isSecond: true };
    const there = { ...{ clock: noon(), log: silentLog(), signer: UNSIGNED, store: second }, own: null };
    await expect(forgetSnapshot(there, old, { ...said, force: true })).rejects.toMatchObject({
      hint: expect.stringContaining(`unpin ${old} --replica --env-file .env`) as unknown,
    });
    await unpinSnapshot({ clock: noon(), store: store() }, old);
    await writeRun(store(), { kind: 'restore', state: 'running', input: { snapshot: old } });
    await expect(forget(old)).rejects.toMatchObject({ code: 'locked' });
    await forget(newest);
    expect(await listed(store())).toEqual([old]);
    expect(await namesIn(store(), `pruned/`)).toEqual([tombstoneName(newest)]);
  });

  it('may be the remains of a killed import, removed without a tombstone; not the objects of a live run', async () => {
    const [only = ''] = await days(store(), 1);
    const killed = '20261121T100000Z-k2m9x7';
    await store().create(`snapshots/${killed}/part-00000-0001.jsonl.gz`, Buffer.from('a part'));
    const run = await writeRun(store(), { kind: 'snapshot', state: 'running', input: {} });
    await store().create(`snapshots/${run}/part-00000-0001.jsonl.gz`, Buffer.from('a part'));
    expect(await forget(killed)).toMatchObject({ objects: 1, wasSnapshot: false });
    expect(await namesIn(store(), `snapshots/${killed}/`)).toEqual([]);
    expect(await namesIn(store(), 'pruned/')).toEqual([]);
    await expect(forget(run)).rejects.toMatchObject({ code: 'not-found' });
    expect(await listed(store())).toEqual([only]);
  });

  it('is one of another database with --force alone', async () => {
    const [newest = '', other = ''] = await days(store(), 2);
    const own = { ...{ clock: noon(), log: silentLog(), signer: UNSIGNED, store: store() }, own: 'f'.repeat(64) };
    await expect(forgetSnapshot(own, other, { ...said, force: false })).rejects.toMatchObject({
      code: 'not-confirmed',
      message: expect.stringContaining('another database') as unknown,
    });
    expect(await listed(store())).toEqual([newest, other]);
    await forgetSnapshot(own, other, { ...said, force: true });
    expect(await listed(store())).toEqual([newest]);
  });

  it('may be the last trusted one only with --force', async () => {
    const [only = ''] = await days(store(), 1);
    await expect(forget(only)).rejects.toMatchObject({ code: 'not-confirmed' });
    expect(await listed(store())).toEqual([only]);
    await forget(only, true);
    expect(await listed(store())).toEqual([]);
  });
});

describe('what somebody still needs, or somebody else removed', () => {
  const mark = { run: '20261122T110000Z-aaaaaa', scope: { all: true as const }, kind: 'restore', since: 'x' };

  it('is not forgotten without --force while a restore that did not end is to be finished with it', async () => {
    const [, old = ''] = await days(store(), 3);
    const hint = `\`npx soulcaster-backup restore ${old} --env-file .env\``;
    await addMark(store(), sha256('host'), { ...mark, snapshot: old, hint });
    await expect(forget(old)).rejects.toMatchObject({
      code: 'not-confirmed',
      hint: expect.stringContaining(hint) as unknown,
    });
    expect((await forget(old, true)).wasSnapshot).toBe(true);
  });

  it('is kept by a prune, whatever database that restore writes into, and its safety snapshot as well', async () => {
    const ids = await days(store(), 5);
    const [restored = '', saved = ''] = ids.slice(3);
    await addMark(store(), sha256('standby'), { ...mark, run: saved, snapshot: restored });
    const { decisions } = await pruneIn({ store: store() });
    for (const id of [restored, saved])
      expect(decisions.find((each) => each.id === id)).toEqual({ id, keep: true, reasons: ['in-use'] });
    await expect(forget(saved)).rejects.toMatchObject({ code: 'not-confirmed' });
    await endMarks(store(), sha256('standby'), () => true);
    await pruneIn({ store: store() });
    expect(await listed(store())).toEqual(ids.slice(0, 2));
  });

  it('is named where its manifest is gone, and is given up with --force', async () => {
    const [, old = ''] = await days(store(), 3);
    await store().remove(manifestName(old));
    await expect(forget(old)).rejects.toMatchObject({
      code: 'not-confirmed',
      hint: expect.stringContaining('--force') as unknown,
    });
    expect((await forget(old, true)).wasSnapshot).toBe(false);
    expect(await namesIn(store(), `snapshots/${old}/`)).toEqual([]);
  });
});

it('the adoption of a source that an adopted one had adopted can be withdrawn', async () => {
  const at = '2026-11-20T00:00:00.000Z';
  await adoptSource(store(), 'second', { source: 'first', reason: said.reason, at });
  await adoptSource(store(), 'third', { source: 'second', reason: said.reason, at });
  expect([...(await readAdoptedSources(store(), 'third'))]).toEqual(['third', 'second', 'first']);
  expect(await disownSource(store(), 'third', { source: 'first', reason: 'wrong', at })).toBe(true);
  expect(await disownSource(store(), 'third', { source: 'first', reason: 'wrong', at })).toBe(false);
  expect([...(await readAdoptedSources(store(), 'third'))]).toEqual(['third', 'second']);
  expect([...(await readAdoptedSources(store(), 'second'))]).toEqual(['second', 'first']);
  expect(await adoptSource(store(), 'third', { source: 'first', reason: 'right', at })).toBe(true);
  expect((await readAdoptedSources(store(), 'third')).has('first')).toBe(true);
});
