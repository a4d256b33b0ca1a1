import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ed25519Signer, generateSigningKey } from '../../../lib/crypto/ed25519.js';
import { readTombstone, tombstoneIds, tombstoneName } from '../../../lib/snapshot/tombstone.js';
import { manifestName } from '../../../lib/snapshot/names.js';
import { encodeJson } from '../../../lib/json.js';
import { sha256 } from '../../../lib/snapshot/manifest.js';
import { addMark } from '../../../lib/snapshot/unfinished-marks.js';
import { runName } from '../../../lib/runs/records.js';
import { claimLease } from '../../../lib/runs/lease.js';
import { lockedStore } from '../../support/failing-store.js';
import { folderStore, type FolderStore } from '../../support/folder-store.js';
import { findingsOf, makeSnapshot, UNSIGNED } from '../../support/made-snapshots.js';
import { days, listed, namesIn, noon, NOW, pruneIn, writeRun } from './bench.js';

let folder: FolderStore;
/** What the store's clock shows beyond noon, in milliseconds. */
let later = 0;
beforeEach(async () => {
  later = 0;
  folder = await folderStore({ ...noon(), now: () => NOW + later });
});
afterEach(() => folder.remove());
const store = () => folder.store;

describe('prune', () => {
  it('removes the snapshots that the policy does not keep, with all objects, and the chain stays explained', async () => {
    const ids = await days(store(), 5);
    const result = await pruneIn({ store: store() });
    expect(result).toMatchObject({
      held: null,
      finished: true,
      snapshots: { kept: 2, removed: 3, keptByStore: 0, left: 0 },
    });
    expect(await listed(store())).toEqual(ids.slice(0, 2));
    expect(await namesIn(store(), `snapshots/${ids[2] ?? ''}/`)).toEqual([]);
    expect(result.objects).toBe(3 * 4);
    expect(result.bytes).toBeGreaterThan(1000);
    for (const id of ids.slice(0, 2)) expect(await findingsOf(store(), noon(), id)).toEqual([]);
    expect((await readTombstone({ store: store(), signer: UNSIGNED }, ids[3] ?? ''))?.previous?.id).toBe(ids[4]);
  });

  it('does nothing more when it is called again', async () => {
    await days(store(), 4);
    await pruneIn({ store: store() });
    const before = await namesIn(store());
    const again = await pruneIn({ store: store() });
    expect(again).toMatchObject({ objects: 0, snapshots: { kept: 2, removed: 0 } });
    expect(await namesIn(store())).toEqual(before);
  });

  it('changes nothing in a dry run, and reports the same', async () => {
    await days(store(), 5);
    const before = await namesIn(store());
    const dry = await pruneIn({ store: store(), options: { dryRun: true } });
    expect(await namesIn(store())).toEqual(before);
    const real = await pruneIn({ store: store() });
    expect({ ...real, dryRun: true }).toEqual(dry);
  });

  it('keeps the newest and the oldest of the incomplete snapshots since the last trusted one, also while runs fail', async () => {
    const [trusted = ''] = await days(store(), 20);
    const at = (minute: number): string => new Date(NOW - (60 - minute) * 60_000).toISOString();
    const incomplete: string[] = [];
    for (let n = 0; n < 14; n++)
      incomplete.push(await makeSnapshot(store(), { at: at(n), state: 'incomplete', parts: 1 }));
    const [oldest = '', needed = ''] = incomplete;
    const mark = { run: '20261122T110000Z-aaaaaa', scope: { all: true as const }, kind: 'restore', since: 'x' };
    await addMark(store(), sha256('host'), { ...mark, snapshot: needed });
    for (let n = 0; n < 3; n++) await writeRun(store(), { state: 'incomplete' });
    const before = await listed(store());
    const result = await pruneIn({ store: store() });
    expect(result).toMatchObject({ held: 'none of the last three snapshot runs succeeded', snapshots: { removed: 3 } });
    const kept = [oldest, needed, ...incomplete.slice(-9)];
    const gone = incomplete.filter((id) => !kept.includes(id));
    expect(await listed(store())).toEqual(before.filter((id) => !gone.includes(id)));
    expect(await listed(store())).toContain(trusted);
    expect(await pruneIn({ store: store() })).toMatchObject({ snapshots: { removed: 0 } });
  });

  it('keeps the snapshots that a restore which did not end restores or has saved', async () => {
    const ids = await days(store(), 5);
    const mark = { scope: { all: true as const }, kind: 'restore', since: 'x' };
    await addMark(store(), sha256('host'), { ...mark, run: ids[3] ?? '', snapshot: ids[4] ?? '' });
    const { decisions } = await pruneIn({ store: store() });
    expect(decisions.slice(3)).toMatchObject([
      { id: ids[3], reasons: ['in-use'] },
      { id: ids[4], reasons: ['in-use'] },
    ]);
    expect(await listed(store())).toEqual(ids.filter((id) => id !== ids[2]));
  });

  it('removes nothing while the newest snapshot has too few keys, and reports why', async () => {
    const ids = await days(store(), 3, { keys: 10 });
    const newest = await makeSnapshot(store(), { at: '2026-11-22T06:00:00Z', keys: 4 });
    const result = await pruneIn({ store: store() });
    expect(result.held).toContain(newest);
    expect(await listed(store())).toEqual([newest, ...ids]);
  });

  it('removes nothing while the last three snapshot runs failed', async () => {
    await days(store(), 4);
    for (const day of [0.3, 0.2, 0.1]) await writeRun(store(), { state: 'failed', daysAgo: day });
    expect((await pruneIn({ store: store() })).held).toMatch(/last three/);
    await writeRun(store(), { state: 'succeeded', daysAgo: 0.05 });
    expect((await pruneIn({ store: store() })).held).toBeNull();
  });

  it.each(['running', 'waiting'])('keeps the snapshot that a %s run uses', async (state) => {
    const ids = await days(store(), 4);
    await writeRun(store(), { kind: 'restore', state, input: { snapshot: ids[3] } });
    const { decisions } = await pruneIn({ store: store() });
    expect(decisions[3]).toMatchObject({ id: ids[3], keep: true, reasons: ['in-use'] });
    expect(await listed(store())).toEqual([ids[0], ids[1], ids[3]]);
  });

  it('keeps the snapshot that a run of another version uses', async () => {
    const ids = await days(store(), 3);
    await writeRun(store(), { kind: 'export', state: 'paused', input: { snapshot: ids[2] } });
    await pruneIn({ store: store() });
    expect(await listed(store())).toEqual(ids);
  });

  it('withdraws its tombstone if a run began to use the snapshot meanwhile', async () => {
    const ids = await days(store(), 4);
    const meddled = {
      ...store(),
      async create(name: string, body: Uint8Array) {
        const made = await store().create(name, body);
        if (name === tombstoneName(ids[2] ?? '')) {
          await writeRun(store(), { kind: 'restore', state: 'running', input: { snapshot: ids[2] } });
        }
        return made;
      },
    };
    expect((await pruneIn({ store: meddled })).snapshots).toEqual({ kept: 2, removed: 1, keptByStore: 0, left: 1 });
    expect(await listed(store())).toEqual(ids.slice(0, 3));
    expect(await namesIn(store(), 'pruned/')).toEqual([tombstoneName(ids[3] ?? '')]);
  });

  it('stops when its time is up, and continues the next time', async () => {
    const ids = await days(store(), 14);
    const clock = noon();
    const ticking = { ...clock, now: () => (void clock.advance(1), clock.now()) };
    const first = await pruneIn({ store: store(), clock: ticking, options: { deadline: clock.now() + 40 } });
    expect(first.finished).toBe(false);
    expect(first.snapshots.left).toBeGreaterThan(0);
    for (const id of await listed(store())) expect(await store().read(tombstoneName(id))).toBeNull();
    expect((await pruneIn({ store: store() })).finished).toBe(true);
    expect(await listed(store())).toEqual(ids.slice(0, 2));
  });

  it('excludes a second prune, which fails as locked', async () => {
    await days(store(), 4);
    const claim = await claimLease({ clock: noon(), store: store() }, 'prune', 'other', {
      attemptTtlMs: 60_000,
      holdMs: 60_000,
    });
    expect(claim.granted).toBe(true);
    await expect(pruneIn({ store: store() })).rejects.toMatchObject({ code: 'locked' });
    expect((await listed(store())).length).toBe(4);
    await pruneIn({ store: store(), options: { dryRun: true } });
  });

  it('stops before it removes a manifest once its lease is gone', async () => {
    const ids = await days(store(), 3);
    const clock = noon();
    const meddled = {
      ...store(),
      async create(name: string, body: Uint8Array) {
        if (name.startsWith('pruned/')) {
          await clock.advance(61_000);
          later += 61_000;
          await claimLease({ clock, store: store() }, 'prune', 'a run', { attemptTtlMs: 1000, holdMs: 1000 });
        }
        return store().create(name, body);
      },
    };
    await expect(pruneIn({ store: meddled, clock })).rejects.toMatchObject({ code: 'fenced' });
    expect(await listed(store())).toEqual(ids);
    await clock.advance(2_000);
    later += 2_000;
    for (const id of ids) expect(await findingsOf(store(), clock, id)).toEqual([]);
  });
});

describe('prune of a store that refuses', () => {
  it('keeps a snapshot whole if its manifest may not be removed, without failing', async () => {
    const ids = await days(store(), 4);
    const refused = manifestName(ids[2] ?? '');
    const result = await pruneIn({ store: lockedStore(store(), (name) => name === refused) });
    expect(result).toMatchObject({
      snapshots: { removed: 1, keptByStore: 1 },
      keptByStore: { count: 1, names: [refused] },
    });
    expect(await listed(store())).toEqual(ids.slice(0, 3));
    for (const id of ids.slice(0, 3)) expect(await findingsOf(store(), noon(), id)).toEqual([]);
    expect(await namesIn(store(), 'pruned/')).toEqual([tombstoneName(ids[3] ?? '')]);
  });

  it('does not try every snapshot if the store refuses all', async () => {
    const ids = await days(store(), 9);
    const result = await pruneIn({ store: lockedStore(store(), (name) => name.startsWith('snapshots/')) });
    expect(result.snapshots).toEqual({ kept: 2, removed: 0, keptByStore: 3, left: 4 });
    expect(await listed(store())).toEqual(ids);
    expect(await findingsOf(store(), noon(), ids[8] ?? '')).toEqual([]);
  });

  it('names the parts that could not be removed, and tries them again', async () => {
    const ids = await days(store(), 3);
    const isPart = (name: string): boolean => name.includes('part-00001');
    expect((await pruneIn({ store: lockedStore(store(), isPart) })).keptByStore.count).toBe(1);
    expect(await listed(store())).toEqual(ids.slice(0, 2));
    expect(await findingsOf(store(), noon(), ids[0] ?? '')).toEqual([]);
    expect((await pruneIn({ store: store() })).obsolete.leftovers).toBe(1);
    expect(await namesIn(store(), `snapshots/${ids[2] ?? ''}/`)).toEqual([]);
  });
});

describe('where a clock was wrong', () => {
  it('removes no signed snapshot where no key is set, since nobody would believe its tombstone', async () => {
    const signer = ed25519Signer({ privateKey: generateSigningKey().privateKey, publicKey: null });
    const ids = await days(store(), 4, { signer });
    await expect(pruneIn({ store: store() })).rejects.toMatchObject({
      code: 'config',
      hint: expect.stringContaining('Set BACKUP_SIGNING_KEY') as unknown,
    });
    expect(await listed(store())).toEqual(ids);
    expect(await tombstoneIds(store())).toEqual([]);
  });

  it('keeps the snapshot taken last, even if another one has a later date', async () => {
    const [ahead = '', before = ''] = await days(store(), 2);
    // The run that took the one that is dated before was started after the other had ended.
    for (const [id, fence] of [
      [ahead, 1],
      [before, 2],
    ] as const) {
      const run = { ...JSON.parse(String((await store().read(runName(await writeRun(store()))))?.body)) } as object;
      await store().create(runName(id), encodeJson({ ...run, id, lease: 'database', fence, firstFence: fence }));
    }
    const { decisions } = await pruneIn({ store: store(), settings: { keepLast: 1 } });
    expect(decisions.filter(({ keep }) => keep).map(({ id }) => id)).toEqual([ahead, before]);
    expect(await listed(store())).toEqual([ahead, before]);
  });
});
