import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ed25519Signer, generateSigningKey } from '../../lib/crypto/ed25519.js';
import { decodeJson, encodeJson } from '../../lib/json.js';
import type { ObjectStore, Signer } from '../../lib/ports/index.js';
import { acceptSnapshot, adoptDatabase } from '../../lib/snapshot/accept.js';
import { overwriteObject } from '../../lib/control/object.js';
import { writeAdoption } from '../../lib/snapshot/statements.js';
import { catalogEntry } from '../../lib/snapshot/catalog.js';
import { runIds } from '../../lib/runs/recent.js';
import { runName } from '../../lib/runs/records.js';
import { findDoubts } from '../../lib/snapshot/doubts.js';
import { listEntries } from '../../lib/snapshot/catalog-object.js';
import { findLatest, pickLatest } from '../../lib/snapshot/latest.js';
import { runsOfEntries } from '../../lib/snapshot/order.js';
import { sha256, type Manifest } from '../../lib/snapshot/manifest.js';
import { acceptedName, manifestName, verificationName } from '../../lib/snapshot/names.js';
import { trustContext } from '../../lib/snapshot/trust.js';
import { addMark, unfinishedOf } from '../../lib/snapshot/unfinished-marks.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { findingsOf, makeSnapshot, UNSIGNED, type MadeOptions } from '../support/made-snapshots.js';
import { manualClock } from '../support/clocks.js';
import { latestIn, selectedIn, stateIn, trustIn } from '../support/trust.js';
import { writeRun } from '../retention/prune/bench.js';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const OWN = sha256('host');
const here = { own: OWN, now: NOW };
let folder: FolderStore;
beforeEach(async () => {
  folder = await folderStore();
});
afterEach(() => folder.remove());
const store = (): ObjectStore => folder.store;

/** A snapshot of this many hours ago. */
function made(hours: number, options: Partial<MadeOptions> = {}): Promise<string> {
  return makeSnapshot(store(), { at: new Date(NOW - hours * 3_600_000).toISOString(), ...options });
}

function signerOf(key = generateSigningKey()): { readonly key: typeof key; readonly signer: Signer } {
  return { key, signer: ed25519Signer({ privateKey: key.privateKey, publicKey: null }) };
}

async function edit(id: string, change: (manifest: Manifest) => object): Promise<void> {
  const found = await store().read(manifestName(id));
  const manifest = decodeJson(found?.body ?? Buffer.of()) as Manifest;
  await overwriteObject(store(), manifestName(id), encodeJson(change(manifest)));
}

const doubtful = { doubts: [{ code: 'shrunk', detail: 'it has 1 keys, there were 4' }] };
const database = (host = 'host') => ({
  ...{ clock: manualClock(NOW), signer: UNSIGNED, store: store() },
  redis: { host } as never,
});
const holding = (keys: number, before = keys, after = keys) => ({
  counts: { keys, byType: {}, byFamily: {}, byProject: {} },
  dbsize: { before, after },
});

describe('latest', () => {
  it('is the one that was taken last, regardless of clocks, without a record of its run and after many later runs', async () => {
    await made(9, { fence: 3 });
    const last = await made(6, { fence: 7 });
    const ahead = await made(1, { fence: 5 });
    expect(await latestIn(store(), here)).toBe(last);
    for (let n = 0; n < 20; n++) await writeRun(store());
    expect(await latestIn(store(), here)).toBe(last);
    const { passedOver } = await findLatest(trustIn(store(), here));
    expect(passedOver.map(({ id }) => id)).toContain(ahead);
  });

  it('is the first one taken in a store with copies of another store, regardless of their fencing numbers', async () => {
    await made(30, { fence: 300 });
    await made(25, { fence: 301 });
    const taken = await made(1, { fence: 1 });
    const record = decodeJson((await store().read(runName(await writeRun(store()))))?.body ?? Buffer.of()) as object;
    const own = { ...record, id: taken, lease: 'database', fence: 1, firstFence: 1 };
    await store().create(runName(taken), encodeJson(own));
    expect(await latestIn(store(), here)).toBe(taken);
    const context = trustIn(store(), here);
    const entries = await listEntries(context);
    const latest = pickLatest(entries, runsOfEntries(entries, context.signer, await runIds(store())), context);
    expect([latest?.entry?.id, latest?.passedOver]).toEqual([taken, []]);
  });

  it('ignores fencing numbers of manifests without a valid signature', async () => {
    const { signer } = signerOf();
    await made(9, { fence: 3, signer });
    const newest = await made(1, { fence: 5, signer });
    await made(12, { fence: 9 });
    expect(await latestIn(store(), { ...here, signer })).toBe(newest);
  });

  it('is the trusted one, not a newer one that is incomplete, unverified, damaged, unreadable or foreign', async () => {
    const good = await made(9);
    await made(8, { state: 'incomplete' });
    await made(7, { verified: null });
    await made(6, { verified: 'damaged' });
    const cut = await made(5);
    await overwriteObject(store(), manifestName(cut), Buffer.from('{"a":'));
    const foreign = await made(4, { source: sha256('staging') });
    const { entry, passedOver } = await findLatest(trustIn(store(), here));
    expect(entry?.id).toBe(good);
    expect(passedOver.map(({ state }) => state)).toEqual([
      'foreign',
      'unreadable',
      'damaged',
      'unverified',
      'incomplete',
    ]);
    expect(await selectedIn(store(), 'newest', here)).toBe(foreign);
  });

  it('is never one that is dated in the future', async () => {
    const good = await made(1);
    const ahead = await made(-365 * 24);
    expect(await latestIn(store(), here)).toBe(good);
    expect(await stateIn(store(), ahead, here)).toBe('future');
    const entry = await catalogEntry(store(), ahead);
    expect(entry).not.toBeNull();
  });

  it('is of this database, of three in one store', async () => {
    const [own, staging, other] = [
      await made(9),
      await made(8, { source: sha256('b') }),
      await made(7, { source: sha256('c') }),
    ];
    expect(await latestIn(store(), here)).toBe(own);
    expect(await latestIn(store(), { now: NOW, own: sha256('b') })).toBe(staging);
    expect(await latestIn(store(), { now: NOW, own: sha256('c') })).toBe(other);
    await expect(latestIn(store(), { now: NOW })).rejects.toMatchObject({ code: 'usage' });
  });

  it('needs no configured database while all snapshots are of one, except safety snapshots of others', async () => {
    const own = await made(9);
    await made(8, { purpose: 'safety', source: sha256('standby') });
    expect(await latestIn(store(), { now: NOW })).toBe(own);
  });

  it('at a time is the newest trusted one finished by then', async () => {
    const first = await made(9);
    await made(8, doubtful);
    const last = await made(1);
    const at = (hours: number) => findLatest(trustIn(store(), here), NOW - hours * 3_600_000);
    expect((await at(7)).entry?.id).toBe(first);
    expect((await at(7)).passedOver.map(({ state }) => state)).toEqual(['doubtful']);
    expect((await at(0)).entry?.id).toBe(last);
  });

  it('says why there is none, and what to do', async () => {
    const id = await made(2, doubtful);
    await expect(selectedIn(store(), 'latest', here)).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining(`${id} is doubtful`) as unknown,
      hint: expect.stringContaining(`snapshots accept ${id}`) as unknown,
    });
  });
});

describe('signatures', () => {
  it('are required where a key is set: a manifest without one, or with an edited count, is untrusted', async () => {
    const { signer } = signerOf();
    const good = await made(9, { signer });
    const forged = await made(3, { signer: UNSIGNED });
    const edited = await made(2, { signer });
    await edit(edited, (manifest) => ({ ...manifest, counts: { ...manifest.counts, keys: 9_999 } }));
    expect(await stateIn(store(), forged, { ...here, signer })).toBe('untrusted');
    expect(await stateIn(store(), edited, { ...here, signer })).toBe('untrusted');
    expect(await latestIn(store(), { ...here, signer })).toBe(good);
  });

  it('of another key are no damage: the snapshot stays verified for the right key', async () => {
    const [ours, theirs] = [signerOf(), signerOf()];
    const id = await made(2, { signer: ours.signer });
    expect(await findingsOf(store(), manualClock(NOW), id, theirs.signer)).toEqual([
      `signature-invalid ${manifestName(id)}`,
    ]);
    expect((await catalogEntry(store(), id))?.verification?.state).toBe('verified');
    expect(await stateIn(store(), id, { ...here, signer: theirs.signer })).toBe('untrusted');
    expect(await latestIn(store(), { ...here, signer: ours.signer })).toBe(id);
  });

  it('recorded as damage by an earlier version are no damage if the contents are intact', async () => {
    const { signer } = signerOf();
    const id = await made(2, { signer });
    const finding = { code: 'signature-invalid', subject: manifestName(id), detail: 'x' };
    const verification = {
      state: 'damaged',
      at: new Date(NOW).toISOString(),
      run: 'r',
      depth: 'lines',
      findings: [finding],
    };
    await overwriteObject(store(), verificationName(id), encodeJson(verification));
    expect(await latestIn(store(), { ...here, signer })).toBe(id);
    const part = { ...finding, code: 'part-altered' };
    await overwriteObject(store(), verificationName(id), encodeJson({ ...verification, findings: [finding, part] }));
    expect(await stateIn(store(), id, { ...here, signer })).toBe('damaged');
  });

  it('are not needed by an unsigned snapshot that was adopted, until it is altered', async () => {
    const { signer } = signerOf();
    const id = await made(2);
    const entry = await catalogEntry(store(), id);
    await writeAdoption(store(), id, { manifestSha256: entry?.sha256 ?? '', at: new Date(NOW).toISOString() });
    expect(await latestIn(store(), { ...here, signer })).toBe(id);
    expect(await findingsOf(store(), manualClock(NOW), id, signer)).toEqual([]);
    await edit(id, ({ seal, ...body }) => {
      const next = { ...body, createdAt: new Date(NOW).toISOString() };
      return { ...next, seal: { ...seal, sha256: sha256(JSON.stringify(next)) } };
    });
    expect(await stateIn(store(), id, { ...here, signer })).toBe('untrusted');
  });
});

describe('a doubtful snapshot', () => {
  it('is trusted once it is accepted, and no longer when its manifest was replaced', async () => {
    const good = await made(9);
    const id = await made(2, doubtful);
    expect(await latestIn(store(), here)).toBe(good);
    await acceptSnapshot(trustIn(store(), here), id, { by: 'me', reason: 'meant' });
    expect(await latestIn(store(), here)).toBe(id);
    const accepted = await store().read(acceptedName(id));
    expect(decodeJson(accepted?.body ?? Buffer.of())).toMatchObject({ snapshot: id, reason: 'meant', by: 'me' });
    await edit(id, (manifest) => ({ ...manifest, tool: 'x' }));
    expect(await latestIn(store(), here)).toBe(good);
  });

  it('is not accepted by the acceptance of another one', async () => {
    const [one, two] = [await made(3, doubtful), await made(2, doubtful)];
    await acceptSnapshot(trustIn(store(), here), one, { by: 'me', reason: 'meant' });
    const found = await store().read(acceptedName(one));
    await store().create(acceptedName(two), found?.body ?? Buffer.of());
    expect(await stateIn(store(), two, here)).toBe('doubtful');
  });

  it('is the only kind that can be accepted, and only with a reason', async () => {
    const [good, id] = [await made(9), await made(2, doubtful)];
    const context = trustIn(store(), here);
    await expect(acceptSnapshot(context, good, { by: 'me', reason: 'x' })).rejects.toMatchObject({ code: 'usage' });
    await expect(acceptSnapshot(context, id, { by: 'me', reason: ' ' })).rejects.toMatchObject({ code: 'usage' });
    await expect(acceptSnapshot(context, 'x', { by: 'me', reason: 'x' })).rejects.toMatchObject({ code: 'not-found' });
  });

  it('is also one of an older version whose database was emptied while it was read', async () => {
    const good = await made(9);
    const id = await made(2);
    await edit(id, ({ seal, ...body }) => {
      const next = { ...body, dbsize: { before: 6_066, after: 0 } };
      return { ...next, seal: { ...seal, sha256: sha256(JSON.stringify(next)) } };
    });
    expect(await stateIn(store(), id, here)).toBe('doubtful');
    expect(await latestIn(store(), here)).toBe(good);
  });
});

describe('doubts', () => {
  it('do not arise for a new database, empty or not, nor for one with half of its keys left', async () => {
    expect(await findDoubts(database(), holding(0))).toEqual([]);
    await made(9, { keys: 0, parts: 1 });
    expect(await findDoubts(database(), holding(0))).toEqual([]);
    await made(8, { keys: 4 });
    expect(await findDoubts(database(), holding(2, 4, 2))).toEqual([]);
  });

  it('arise for a database that lost more, before or while it was read', async () => {
    await made(8, { keys: 4 });
    expect(await findDoubts(database(), holding(1))).toMatchObject([{ code: 'shrunk' }]);
    expect(await findDoubts(database(), holding(0))).toMatchObject([{ code: 'shrunk' }]);
    expect(await findDoubts(database(), holding(4, 9, 4))).toMatchObject([{ code: 'emptied' }]);
    expect(await findDoubts(database('staging'), holding(0))).toEqual([]);
  });

  it('compare with earlier snapshots even if none of them is trusted', async () => {
    await made(8, { keys: 4, verified: null });
    await made(7, { keys: 0, parts: 1, doubts: [{ code: 'shrunk', detail: 'x' }] });
    expect(await findDoubts(database(), holding(0))).toMatchObject([{ code: 'shrunk' }]);
  });

  it('include one for each unfinished restore, whose marks acceptance removes, and no other', async () => {
    const mark = {
      scope: { all: true as const },
      mode: 'replace',
      since: new Date(NOW).toISOString(),
      kind: 'restore',
    };
    await addMark(store(), OWN, { ...mark, run: 'run-1' });
    const doubts = await findDoubts(database(), holding(4));
    expect(doubts).toMatchObject([{ code: 'restore-unfinished', detail: expect.stringContaining('run-1') as unknown }]);
    await addMark(store(), OWN, { ...mark, run: 'run-2' });
    const id = await made(1, { doubts });
    const { ended } = await acceptSnapshot(trustIn(store(), here), id, { by: 'me', reason: 'looked at it' });
    expect(ended).toEqual(['run-1']);
    expect((await unfinishedOf(store(), OWN)).map(({ run }) => run)).toEqual(['run-2']);
  });

  it('include one for a mark that cannot be read', async () => {
    await store().create(`guard/databases/${OWN.slice(0, 16)}.json`, Buffer.from('[]'));
    expect(await findDoubts(database(), holding(4))).toMatchObject([{ code: 'restore-unfinished' }]);
  });
});

describe('a database that moved', () => {
  const moved = sha256('new-host');
  const context = () => trustContext({ store: store(), signer: UNSIGNED, clock: { now: () => NOW } }, moved);

  it('has the snapshots of the old one once it adopted it, and of the databases that the old one had adopted', async () => {
    const id = await made(9);
    expect((await findLatest(await context())).entry).toBeNull();
    await expect(selectedIn(store(), 'latest', { now: NOW, own: moved })).rejects.toMatchObject({
      hint: expect.stringContaining(`snapshots adopt ${OWN.slice(0, 8)}`) as unknown,
    });
    const adopted = await adoptDatabase(await context(), OWN.slice(0, 8), { reason: 'moved', withdraw: false });
    expect(adopted).toMatchObject({ source: OWN, snapshots: 1, changed: true });
    expect((await findLatest(await context())).entry?.id).toBe(id);
    // The old one has none of the new one's.
    await made(1, { source: moved });
    expect(await latestIn(store(), here)).toBe(id);
    const third = await trustContext({ store: store(), signer: UNSIGNED, clock: { now: () => NOW } }, sha256('third'));
    await adoptDatabase(third, moved.slice(0, 8), { reason: 'moved again', withdraw: false });
    const after = await trustContext(third, sha256('third'));
    expect([...(after.sources ?? [])].sort()).toEqual([OWN, moved, sha256('third')].sort());
  });

  it('may move back, and withdraw an adoption', async () => {
    await made(9);
    const last = await made(1, { source: moved });
    await adoptDatabase(await context(), OWN.slice(0, 8), { reason: 'moved', withdraw: false });
    const back = () => trustContext({ store: store(), signer: UNSIGNED, clock: { now: () => NOW } }, OWN);
    await adoptDatabase(await back(), moved.slice(0, 8), { reason: 'moved back', withdraw: false });
    expect((await findLatest(await back())).entry?.id).toBe(last);
    await adoptDatabase(await back(), moved.slice(0, 8), { reason: '', withdraw: true });
    expect((await findLatest(await back())).entry?.id).not.toBe(last);
  });

  it('adopts no unknown database, nor itself', async () => {
    await made(1, { source: moved });
    const adopting = async (wanted: string) => adoptDatabase(await context(), wanted, { reason: 'x', withdraw: false });
    await expect(adopting('0000000000')).rejects.toMatchObject({ code: 'not-found' });
    await expect(adopting(moved.slice(0, 8))).rejects.toMatchObject({ code: 'usage' });
  });
});
