import { trustIn } from '../../support/trust.js';
import { describe, expect, it } from '@jest/globals';
import { mortalStore, stumblingStore, type FailingStore } from '../../support/failing-store.js';
import { folderStore, type FolderStore } from '../../support/folder-store.js';
import { findingsOf, UNSIGNED } from '../../support/made-snapshots.js';
import { loadSnapshots } from '../../../lib/retention/stored.js';
import { prune } from '../../../lib/retention/prune/prune.js';
import { silentLog } from '../../../lib/app/in-process.js';
import type { ObjectStore } from '../../../lib/ports/store.js';
import { sha256 } from '../../../lib/snapshot/manifest.js';
import { partName } from '../../../lib/snapshot/names.js';
import { days, listed, noon, pruneIn, TWO } from './bench.js';
import { memoryCopy } from './memory-store.js';
import { STRIDE } from '../../support/fast-check.js';

/** More calls than a prune of this store makes. */
const ENOUGH = 200;

async function prepared(): Promise<{ folder: FolderStore; ids: string[] }> {
  const folder = await folderStore();
  return { folder, ids: await days(folder.store, 4) };
}

/** Every listed snapshot has all its parts, as the manifest names them. */
async function demandWhole(store: ObjectStore): Promise<void> {
  for (const { id, manifest } of (await loadSnapshots(trustIn(store))).listed) {
    for (const part of manifest?.parts ?? []) {
      const found = await store.read(partName(id, part.name));
      expect(found === null ? null : sha256(found.body)).toBe(part.stored.sha256);
    }
  }
}

describe.each([
  ['dies before', (store: ObjectStore, at: number): FailingStore => mortalStore(store, at, 'before')],
  ['dies after', (store: ObjectStore, at: number): FailingStore => mortalStore(store, at, 'after')],
  ['meets a failure in', stumblingStore],
])('a prune that %s its n-th call of the store, for every n', (_what, fault) => {
  it('leaves every listed snapshot whole and the chain explained, and the next one completes it', async () => {
    const { folder, ids } = await prepared();
    let at = 1;
    for (; at < ENOUGH; at += STRIDE) {
      const clock = noon();
      const store = await memoryCopy(folder.store, clock);
      const failing = fault(store, at);
      const ports = { clock, log: silentLog(), own: null, signer: UNSIGNED, store: failing.store };
      await prune(ports, TWO, { dryRun: false }).catch(() => undefined);
      await demandWhole(store);
      expect((await listed(store)).slice(0, 2)).toEqual(ids.slice(0, 2));
      // A lease that was not given back runs out.
      await clock.advance(61_000);
      expect(await findingsOf(store, clock, ids[0] ?? '')).toEqual([]);
      await pruneIn({ store, clock });
      expect(await listed(store)).toEqual(ids.slice(0, 2));
      expect(await namesOfSnapshots(store)).toEqual(ids.slice(0, 2).sort());
      expect(await findingsOf(store, clock, ids[0] ?? '')).toEqual([]);
      if (failing.calls() < at) break;
    }
    await folder.remove();
    expect(at).toBeGreaterThan(30);
    expect(at).toBeLessThan(ENOUGH);
  });
});

async function namesOfSnapshots(store: ObjectStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of store.folders('snapshots/')) ids.push(id);
  return ids;
}
