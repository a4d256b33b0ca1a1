import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { claimLease, renewLease } from '../../lib/runs/lease.js';
import { assertNotBeingRemoved, PRUNE_LEASE, signTombstone, tombstoneName } from '../../lib/snapshot/tombstone.js';
import { days, noon, NOW } from '../retention/prune/bench.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { findingsOf, UNSIGNED } from '../support/made-snapshots.js';

const TIMES = { attemptTtlMs: 60_000, holdMs: 60_000 };

let folder: FolderStore;
/** What the store's clock shows beyond noon, in milliseconds. */
let later = 0;
let id: string;
beforeEach(async () => {
  later = 0;
  folder = await folderStore({ ...noon(), now: () => NOW + later });
  [id = ''] = await days(folder.store, 1);
});
afterEach(() => folder.remove());

async function mark(): Promise<void> {
  const body = { formatVersion: 1, id, manifestSha256: 'x', previous: null, prunedAt: 'x', reasons: [] } as const;
  await folder.store.create(tombstoneName(id), signTombstone({ ...body, reasons: [] }, UNSIGNED));
}

describe('a snapshot that a run needs', () => {
  it('may be read while no prune removes it, and no lease is taken', async () => {
    await assertNotBeingRemoved({ clock: noon(), store: folder.store }, 'run', id);
    expect(await folder.store.read(`leases/${PRUNE_LEASE}.json`)).toBeNull();
  });

  it('is refused while a running prune has marked it', async () => {
    const ports = { clock: noon(), store: folder.store };
    await claimLease(ports, PRUNE_LEASE, 'prune', TIMES);
    await assertNotBeingRemoved(ports, 'run', id);
    await mark();
    await expect(assertNotBeingRemoved(ports, 'run', id)).rejects.toMatchObject({ code: 'locked' });
    await expect(findingsOf(folder.store, noon(), id)).rejects.toThrow('is being removed');
  });

  it('may be read when the prune that marked it hangs, which then cannot remove anything', async () => {
    const clock = noon();
    const ports = { clock, store: folder.store };
    const claim = await claimLease(ports, PRUNE_LEASE, 'prune', TIMES);
    if (!claim.granted) throw new Error('not granted');
    await mark();
    await clock.advance(61_000);
    later += 61_000;
    await assertNotBeingRemoved(ports, 'run', id);
    await expect(renewLease(ports, claim.lease, TIMES)).rejects.toMatchObject({ code: 'fenced' });
    expect(await findingsOf(folder.store, clock, id)).toEqual([]);
  });
});
