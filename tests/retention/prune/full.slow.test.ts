import { describe, expect, it } from '@jest/globals';
import { silentLog } from '../../../lib/app/in-process.js';
import { forgetSnapshot } from '../../../lib/retention/prune/forget.js';
import type { ObjectStore } from '../../../lib/ports/store.js';
import { claimLease } from '../../../lib/runs/lease.js';
import { readTombstones } from '../../../lib/snapshot/tombstone.js';
import { mortalStore, quotaStore } from '../../support/failing-store.js';
import { folderStore } from '../../support/folder-store.js';
import { findingsOf, UNSIGNED } from '../../support/made-snapshots.js';
import { days, listed, namesIn, noon, pruneIn, writeRun } from './bench.js';
import { memoryCopy } from './memory-store.js';
import { STRIDE } from '../../support/fast-check.js';

const ENOUGH = 400;

async function sizeOf(store: ObjectStore): Promise<number> {
  let size = 0;
  for await (const object of store.list('')) size += object.size;
  return size;
}

/** A store of four snapshots, of which two go, in memory. */
async function four(): Promise<{ store: ObjectStore; ids: string[] }> {
  const folder = await folderStore();
  const ids = await days(folder.store, 4, { keys: 600 });
  const store = await memoryCopy(folder.store, noon());
  await folder.remove();
  return { store, ids };
}

describe('prune of a full store', () => {
  it.each([0, 1, 100, 300, 700])('makes room, with %i bytes left', async (left) => {
    const { ids, store } = await four();
    const full = quotaStore(store, (await sizeOf(store)) + left);
    const result = await pruneIn({ store: full });
    expect(result.snapshots).toMatchObject({ kept: 2, removed: 2, left: 0 });
    expect(await listed(store)).toEqual(ids.slice(0, 2));
    expect([...(await readTombstones({ signer: UNSIGNED, store })).keys()].sort()).toEqual(ids.slice(2).sort());
    expect(await findingsOf(store, noon(), ids[0] ?? '')).toEqual([]);
    expect(await namesIn(store, 'snapshots/')).toEqual(
      (await namesIn(store, 'snapshots/')).filter((name) => ids.slice(0, 2).some((id) => name.includes(id))),
    );
  });

  it('removes the objects of finished runs before any snapshot', async () => {
    const { ids, store } = await four();
    const failed = await writeRun(store, { state: 'failed' });
    await store.create(`runs/${failed}/parts/1.json`, Buffer.alloc(4_000));
    await store.create(`snapshots/${failed}/part-000000.gz`, Buffer.alloc(4_000));
    const names: string[] = [];
    const quota = quotaStore(store, await sizeOf(store));
    const watched = {
      ...quota,
      async remove(name: string) {
        names.push(name);
        await quota.remove(name);
      },
    };
    await pruneIn({ store: watched });
    expect(names[0]).toBe(`runs/${failed}/parts/1.json`);
    expect(await listed(store)).toEqual(ids.slice(0, 2));
    expect(await namesIn(store, 'runs/')).toEqual([`runs/${failed}/run.json`]);
  });

  it.each([0, 1, 100])('so does forget, of the snapshot that is named, with %i bytes left', async (left) => {
    const { ids, store } = await four();
    const full = quotaStore(store, (await sizeOf(store)) + left);
    const ports = { clock: noon(), log: silentLog(), own: null, signer: UNSIGNED, store: full };
    const [newest = '', ...others] = ids;
    await forgetSnapshot(ports, newest, { by: 'ops', reason: 'room', force: false });
    expect(await listed(store)).toEqual(others);
    expect([...(await readTombstones({ signer: UNSIGNED, store })).keys()]).toEqual([newest]);
    expect(await namesIn(store, `snapshots/${newest}/`)).toEqual([]);
  });

  it('says what to do if nothing may be removed', async () => {
    const { ids, store } = await four();
    const full = quotaStore(store, await sizeOf(store));
    const before = await namesIn(store);
    await expect(pruneIn({ store: full, settings: { keepLast: 4 } })).rejects.toMatchObject({
      code: 'store-full',
      hint: expect.stringContaining('RETENTION_KEEP_LAST'),
    });
    expect(await namesIn(store)).toEqual(before);
    expect(await listed(store)).toEqual(ids);
    expect((await pruneIn({ store: full, options: { dryRun: true } })).snapshots.removed).toBe(2);
  });

  it('is not held by snapshot runs that failed because the store was full', async () => {
    const { store } = await four();
    for (let run = 0; run < 3; run++) {
      const id = await writeRun(store, { state: 'failed', daysAgo: 0 });
      const name = `runs/${id}/run.json`;
      const found = await store.read(name);
      const record = JSON.parse(found?.body.toString() ?? '') as object;
      const error = { code: 'store-full', message: '', hint: '' };
      await store.swap(name, Buffer.from(JSON.stringify({ ...record, error })), found?.etag ?? '');
    }
    expect(await pruneIn({ store: quotaStore(store, await sizeOf(store)) })).toMatchObject({ held: null });
  });

  it.each([
    ['one that died does not stop it', false],
    ['one that renews the lease does', true],
  ])('another prune: %s', async (_what, alive) => {
    const { ids, store } = await four();
    const clock = noon();
    const times = { attemptTtlMs: 60_000, holdMs: 60_000 };
    const stamped = await memoryCopy(store, clock);
    await claimLease({ clock, store: stamped }, 'prune', 'other', times);
    const full = quotaStore(stamped, await sizeOf(stamped));
    const sleep = async (): Promise<void> => {
      await clock.advance(60_000);
      if (!alive) return;
      const found = await stamped.read('leases/prune.json');
      await stamped.swap(
        'leases/prune.json',
        Buffer.concat([found?.body ?? Buffer.alloc(0), Buffer.from(' ')]),
        found?.etag ?? '',
      );
    };
    const pruned = pruneIn({ store: full, clock: { ...clock, sleep } });
    if (alive) await expect(pruned).rejects.toMatchObject({ code: 'locked' });
    else await pruned;
    expect(await listed(stamped)).toEqual(alive ? ids : ids.slice(0, 2));
  });
});

describe.each(['before', 'after'] as const)(
  'a prune of a full store that dies %s its n-th call, for every n',
  (when) => {
    it('can be completed by the next prune, and keeps the newest snapshots whole', async () => {
      const { ids, store } = await four();
      const quota = await sizeOf(store);
      let at = 1;
      for (; at < ENOUGH; at += STRIDE) {
        const clock = noon();
        const copy = await memoryCopy(store, clock);
        const full = quotaStore(copy, quota);
        const mortal = mortalStore(full, at, when);
        await pruneIn({ store: mortal.store, clock }).catch(() => undefined);
        expect((await listed(copy)).slice(0, 2)).toEqual(ids.slice(0, 2));
        expect(await findingsOf(copy, clock, ids[0] ?? '')).toEqual([]);
        // A lease that was not given back runs out; where the store is too full to tell its age, it is watched.
        await clock.advance(61_000);
        await pruneIn({ store: full, clock: { ...clock, sleep: (ms) => clock.advance(ms) } });
        expect(await listed(copy)).toEqual(ids.slice(0, 2));
        const kept = await namesIn(copy, 'snapshots/');
        expect(kept.filter((name) => !ids.slice(0, 2).some((id) => name.includes(id)))).toEqual([]);
        expect(await findingsOf(copy, clock, ids[0] ?? '')).toEqual([]);
        expect(await findingsOf(copy, clock, ids[1] ?? '')).toEqual([]);
        if (mortal.calls() < at) break;
      }
      expect(at).toBeGreaterThan(30);
      expect(at).toBeLessThan(ENOUGH);
    });
  },
);
