import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import { prune } from '../../lib/retention/prune/prune.js';
import { forgetSnapshot } from '../../lib/retention/prune/forget.js';
import { replicate } from '../../lib/retention/replica/replicate.js';
import { silentLog } from '../../lib/app/in-process.js';
import { listEntries } from '../../lib/snapshot/catalog-object.js';
import { checkChain } from '../../lib/snapshot/chain.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { latestIn, stateIn } from '../support/trust.js';

/** A store that keeps one object to itself, as an archive class does. */
function refusingStore(store: ObjectStore, refused: string): ObjectStore {
  return {
    ...store,
    read: async (name) => {
      if (name !== refused) return store.read(name);
      throw new AppError('store-denied', 'InvalidObjectState', { hint: 'Restore it from the archive.' });
    },
  };
}

describe('a store that refuses one manifest', () => {
  let bench: RestoreBench;
  let second: FolderStore;
  let ids: string[];
  let parts: { store: ObjectStore };
  let own: string;
  beforeAll(async () => {
    bench = await openRestoreBench();
    second = await folderStore(bench.clock);
    own = sourceOf(bench.port.host);
    await bench.database.redis.mset('a', '1', 'b', '2', 'c', '3');
    ids = [(await bench.snapshot()).id, (await bench.snapshot()).id, (await bench.snapshot()).id];
    parts = { store: refusingStore(bench.folder.store, `snapshots/${ids[1]}/manifest.json`) };
  });
  afterAll(async () => {
    await bench.stop();
    await second.remove();
  });
  const ports = () => ({ ...parts, clock: bench.clock, log: silentLog(), signer: UNSIGNED, own });

  it('serves the other snapshots, and names the refused one', async () => {
    // The catalogue still tells what was read of it before.
    await bench.folder.store.remove('catalog.json');
    const entries = await listEntries({ ...parts, signer: UNSIGNED });
    expect(entries.map(({ id }) => id)).toEqual([...ids].reverse());
    expect(entries.map(({ manifest }) => manifest !== null)).toEqual([true, false, true]);
    expect(await stateIn(parts.store, ids[1] ?? '', { own })).toBe('unreadable');
    expect(await latestIn(parts.store, { own })).toBe(ids[2]);
    const findings = await checkChain({ ...parts, signer: UNSIGNED });
    expect(findings).toMatchObject([{ code: 'manifest-refused', subject: `snapshots/${ids[1]}/manifest.json` }]);
    expect(findings).toHaveLength(1);
  });

  it.each([0, 2])('does not block snapshot %i from being restored, verified and rehearsed', async (at) => {
    await bench.database.redis.set('a', 'other');
    const id = ids[at] ?? '';
    expect(await bench.restore(id, { dryRun: true }, parts)).toMatchObject({ state: 'succeeded' });
    expect(await bench.restore(id, {}, parts)).toMatchObject({ state: 'succeeded' });
    expect(await bench.verify(id, parts)).toMatchObject({ state: 'failed', error: { code: 'chain-broken' } });
  });

  it('reports why the refused one cannot be restored', async () => {
    await expect(bench.start(ids[1] ?? '', {}, parts)).rejects.toMatchObject({ code: 'store-denied' });
  });

  it('allows a snapshot, a prune and a replication, which leave the refused one alone', async () => {
    bench.clock.advance(1000);
    const started = await startSnapshot(bench.engine(parts), 'cli');
    if (!started.started) throw new Error('held');
    expect(await bench.work(started.run.id, parts)).toMatchObject({ state: 'succeeded', error: null });
    const none = { keepWithinHours: 0, keepDaily: 0, keepWeekly: 0, keepMonthly: 0, asideDays: 0 };
    const pruned = await prune(ports(), { ...none, keepLast: 1, runsDays: 30 }, { dryRun: false });
    expect(pruned.decisions.filter(({ keep }) => keep).map(({ id }) => id)).toContain(ids[1]);
    expect(await bench.folder.store.read(`snapshots/${ids[1]}/manifest.json`)).not.toBeNull();
    const copied = await replicate({ ...ports(), replica: second.store }, { dryRun: false });
    expect(copied).toMatchObject({ damaged: [], conflicts: [], unverified: [ids[1]] });
    await expect(
      forgetSnapshot(ports(), ids[1] ?? '', { by: 'me', reason: 'gone', force: true }),
    ).rejects.toMatchObject({ code: 'store-denied' });
  });
});
