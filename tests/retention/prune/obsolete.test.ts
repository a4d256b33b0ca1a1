import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeJson } from '../../../lib/json.js';
import { newId } from '../../../lib/runs/ids.js';
import { manifestName } from '../../../lib/snapshot/names.js';
import { folderStore, type FolderStore } from '../../support/folder-store.js';
import { findingsOf, makeSnapshot, UNSIGNED } from '../../support/made-snapshots.js';
import { DAY_MS, days, daysAgo, listed, namesIn, noon, NOW, pruneIn, writeRun } from './bench.js';
import { ed25519Signer, generateSigningKey } from '../../../lib/crypto/ed25519.js';
import { readTombstone, tombstoneName } from '../../../lib/snapshot/tombstone.js';

let folder: FolderStore;
let ids: string[];
beforeEach(async () => {
  folder = await folderStore();
  ids = await days(folder.store, 2);
});
afterEach(() => folder.remove());
const store = () => folder.store;

async function put(name: string, body: unknown = {}, age = 0): Promise<string> {
  await store().create(name, encodeJson(body));
  const time = new Date(NOW - age * DAY_MS);
  await utimes(join(folder.folder, name), time, time);
  return name;
}

const partOf = (id: string): string => `snapshots/${id}/part-00000-00001.jsonl.gz`;

describe('prune, besides snapshots', () => {
  it('removes the parts of runs that never wrote a manifest, once they are old and the runs are over', async () => {
    const old = await writeRun(store(), { state: 'failed', daysAgo: 20 });
    const young = await writeRun(store(), { state: 'failed', daysAgo: 3 });
    const alive = await writeRun(store(), { state: 'running', daysAgo: 20 });
    const unknown = newId(NOW - 40 * DAY_MS);
    for (const id of [old, young, alive, unknown]) await put(partOf(id));
    const result = await pruneIn({ store: store() });
    expect(result.obsolete.orphans).toBe(2);
    expect(await namesIn(store(), 'snapshots/')).toEqual(expect.arrayContaining([partOf(young), partOf(alive)]));
    for (const id of [old, unknown]) expect(await namesIn(store(), `snapshots/${id}/`)).toEqual([]);
  });

  it('removes the parts of failed snapshot runs but those of the newest at any age, while it is held as well', async () => {
    const [first, second, last] = [0.3, 0.2, 0.1];
    const failed: string[] = [];
    for (const age of [first, second, last]) failed.push(await writeRun(store(), { state: 'failed', daysAgo: age }));
    const undone = await writeRun(store(), { kind: 'import', state: 'failed', daysAgo: 0.15 });
    const lost = await writeRun(store(), { state: 'failed', daysAgo: 0.25, result: { manifestSha256: 'x' } });
    for (const id of [...failed, undone, lost]) await put(partOf(id));
    const before = await namesIn(store());
    const dry = await pruneIn({ store: store(), options: { dryRun: true } });
    expect(dry).toMatchObject({ objects: 2, obsolete: { orphans: 2 }, snapshots: { removed: 0 } });
    expect(await namesIn(store())).toEqual(before);
    const result = await pruneIn({ store: store() });
    expect(result).toMatchObject({ obsolete: { orphans: 2 }, snapshots: { removed: 0 }, missing: [lost] });
    expect(result.held).toMatch(/last three/);
    const removed = failed.slice(0, 2).map(partOf);
    expect((await namesIn(store())).filter((name) => !name.startsWith('leases/'))).toEqual(
      before.filter((name) => !removed.includes(name)),
    );
  });

  it('keeps the parts of a snapshot whose manifest was removed without a tombstone, however old', async () => {
    const lost = await writeRun(store(), { daysAgo: 25, result: { manifestSha256: 'x' } });
    await put(partOf(lost));
    const result = await pruneIn({ store: store() });
    expect(result).toMatchObject({ missing: [lost], obsolete: { orphans: 0 } });
    expect(await store().read(partOf(lost))).not.toBeNull();
  });

  it('removes the objects of old runs, their record last, and keeps those of recent runs', async () => {
    const old = await writeRun(store(), { kind: 'verify', daysAgo: 40 });
    const young = await writeRun(store(), { kind: 'verify', daysAgo: 20 });
    const stuck = await writeRun(store(), { kind: 'restore', state: 'running', daysAgo: 90 });
    await put(`runs/${old}/tasks/check-000000.json`);
    await put(`runs/${stuck}/tasks/check-000000.json`);
    const order: string[] = [];
    const watched = { ...store(), remove: (name: string) => (order.push(name), store().remove(name)) };
    expect((await pruneIn({ store: watched })).obsolete.runs).toBe(2);
    expect(order).toEqual([`runs/${old}/tasks/check-000000.json`, `runs/${old}/run.json`]);
    expect(await namesIn(store(), 'runs/')).toEqual(
      expect.arrayContaining([`runs/${young}/run.json`, `runs/${stuck}/run.json`]),
    );
  });

  it('removes the hashes of names of a failed run long before its record', async () => {
    const failed = await writeRun(store(), { state: 'failed', daysAgo: 20 });
    await put(`runs/${failed}/parts/part-00000-00001.jsonl.gz.json`);
    await pruneIn({ store: store() });
    expect(await namesIn(store(), `runs/${failed}/`)).toEqual([`runs/${failed}/run.json`]);
  });

  it('never removes the run record of a newest snapshot that is gone', async () => {
    // The clock and the newest snapshot that is left are a year further than the one that was removed by hand.
    const gone = await writeRun(store(), { daysAgo: -1, result: { manifestSha256: 'x' } });
    await pruneIn({ store: store(), settings: { runsDays: 1 } });
    expect(await findingsOf(store(), noon(), ids[0] ?? '')).toEqual([`snapshot-missing ${gone}`]);
  });

  it('removes used webhook ids, probes and drills when their time is over', async () => {
    const used = (age: number) => ({ usedAt: new Date(NOW - age * DAY_MS).toISOString() });
    const drill = (age: number) => `drills/${newId(NOW - age * DAY_MS)}.json`;
    const kept = [
      await put('webhooks/fresh.json', used(1), 1),
      // Its object is old, as after the store was copied elsewhere, but what it says is not.
      await put('webhooks/moved.json', used(1), 90),
      await put('webhooks/unreadable.json', 'x', 90),
      await put('probe/fresh', 'x', 0),
      await put(drill(400), { outcome: 'passed' }),
      await put(drill(10), { outcome: 'failed' }),
    ];
    await put('webhooks/old.json', used(31), 31);
    await put('probe/old', 'x', 3);
    await put(drill(500), { outcome: 'passed' });
    await put(drill(380), { outcome: 'failed' });
    expect((await pruneIn({ store: store() })).obsolete).toEqual({
      leftovers: 0,
      orphans: 0,
      runs: 0,
      webhooks: 1,
      probes: 1,
      drills: 2,
    });
    for (const name of kept) expect(await store().read(name)).not.toBeNull();
  });

  it('removes nothing because of a clock that is ahead', async () => {
    await writeRun(store(), { kind: 'verify', daysAgo: 20 });
    await put(partOf(newId(NOW - 5 * DAY_MS)));
    await put('webhooks/a.json', { usedAt: daysAgo(5) }, 5);
    const before = await namesIn(store());
    const clock = noon();
    await clock.advance(5_000 * DAY_MS);
    expect(await pruneIn({ store: store(), clock })).toMatchObject({ objects: 0, held: null });
    expect((await namesIn(store())).filter((name) => !name.startsWith('leases/'))).toEqual(before);
  });

  it('does nothing while it is held', async () => {
    await writeRun(store(), { kind: 'verify', daysAgo: 90 });
    await makeSnapshot(store(), { at: daysAgo(-0.1), keys: 1 });
    expect(await pruneIn({ store: store() })).toMatchObject({ objects: 0, obsolete: { runs: 0 } });
  });

  it('keeps a damaged snapshot for its days, then removes it, and the chain holds', async () => {
    const damaged = await makeSnapshot(store(), { at: daysAgo(20), verified: 'damaged' });
    await makeSnapshot(store(), { at: daysAgo(19) });
    await pruneIn({ store: store(), settings: { asideDays: 25, keepLast: 3 } });
    expect(await listed(store())).toContain(damaged);
    await pruneIn({ store: store(), settings: { asideDays: 10, keepLast: 3 } });
    expect(await store().read(manifestName(damaged))).toBeNull();
    expect(await findingsOf(store(), noon(), ids[0] ?? '')).toEqual([]);
  });
});

describe('the record of a removal', () => {
  let folder: FolderStore;
  beforeEach(async () => {
    folder = await folderStore();
  });
  afterEach(() => folder.remove());
  const store = () => folder.store;

  it('is signed, and must be signed if a key is set', async () => {
    const signer = ed25519Signer({ ...generateSigningKey() });
    const ids = await days(store(), 4, { signer });
    await pruneIn({ store: store(), signer });
    const clock = noon();
    expect(await findingsOf(store(), clock, ids[0] ?? '', signer)).toEqual([]);
    expect(await findingsOf(store(), clock, ids[0] ?? '', UNSIGNED)).toEqual([]);
    const other = ed25519Signer({ ...generateSigningKey() });
    const found = await findingsOf(store(), clock, ids[0] ?? '', other);
    expect(found).toContain(`snapshot-missing ${ids[2] ?? ''}`);
  });

  it('cannot be made with the public key alone', async () => {
    const { publicKey } = generateSigningKey();
    const signer = ed25519Signer({ privateKey: null, publicKey });
    await expect(pruneIn({ store: store(), signer })).rejects.toMatchObject({ code: 'config' });
  });

  it.each([
    ['is gone', null],
    ['is altered', (text: string) => text.replace('no-rule', 'no-rulE')],
    ['is of another snapshot', (text: string) => text.replaceAll(/"id": "\d{8}/g, '"id": "20200101')],
    ['is no JSON', () => '{'],
  ] as const)('explains nothing when it %s', async (_what, change) => {
    const ids = await days(store(), 3);
    await pruneIn({ store: store() });
    const name = tombstoneName(ids[2] ?? '');
    const found = await store().read(name);
    if (found === null) throw new Error('no tombstone');
    if (change === null) await store().remove(name);
    else await store().swap(name, Buffer.from(change(found.body.toString())), found.etag);
    expect(await findingsOf(store(), noon(), ids[0] ?? '')).toEqual([`snapshot-missing ${ids[2] ?? ''}`]);
  });

  it('has no effect while the snapshot exists, and does not hide one that was removed by hand', async () => {
    const ids = await days(store(), 5);
    await pruneIn({ store: store(), settings: { keepLast: 4 } });
    await store().remove(manifestName(ids[3] ?? ''));
    expect(await findingsOf(store(), noon(), ids[0] ?? '')).toEqual([`snapshot-missing ${ids[3] ?? ''}`]);
    // Its successor goes as well: the hole is still told of, and its parts stay to be mended.
    const result = await pruneIn({ store: store() });
    expect(result.missing).toEqual([ids[3]]);
    expect(await findingsOf(store(), noon(), ids[0] ?? '')).toEqual([`snapshot-missing ${ids[3] ?? ''}`]);
    expect((await namesIn(store(), `snapshots/${ids[3] ?? ''}/`)).length).toBe(3);
  });

  it('does not count for an altered manifest that was removed', async () => {
    const ids = await days(store(), 2);
    const forged = await makeSnapshot(store(), { at: daysAgo(3), previous: null });
    const next = await makeSnapshot(store(), {
      at: daysAgo(2),
      previous: { id: forged, sha256: '0'.repeat(64) },
    });
    await pruneIn({ store: store() });
    expect(await listed(store())).toEqual(ids);
    const found = await findingsOf(store(), noon(), ids[0] ?? '');
    expect(found).toEqual([`manifest-altered ${manifestName(forged)}`]);
    expect(await readTombstone({ store: store(), signer: UNSIGNED }, next)).not.toBeNull();
  });
});
