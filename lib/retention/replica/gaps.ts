import { overwriteObject } from '../../control/write-object.js';
import type { ObjectStore, Ports } from '../../ports/index.js';
import { catalogEntry, snapshotIds } from '../../snapshot/catalog.js';
import { canSign, readTombstones, signTombstone, tombstoneName } from '../../snapshot/tombstone.js';
import type { StoredSnapshots } from '../prune/stored-snapshots.js';
import type { RemovalLease } from '../removal-lease.js';

/** Reason of a tombstone in the second store for what never came there, and still may. */
export const NOT_REPLICATED = 'not-replicated';

interface GapPorts extends Pick<Ports, 'clock' | 'signer' | 'store'> {
  readonly replica: ObjectStore;
}

/**
 * Sees that the chain of the second store holds: tombstones of what was removed from the first before it was copied come
 * along, and what cannot be copied gets one that says so. One that is copied after all makes it mean nothing.
 */
export async function explainGaps(ports: GapPorts, source: StoredSnapshots, lease: RemovalLease): Promise<void> {
  const { clock, replica, signer, store } = ports;
  const there = await listedIn(replica);
  const newest = [...there].sort().at(-1) ?? '';
  const explained = await readTombstones({ store: replica, signer });
  const isGap = (id: string): boolean => id < newest && !there.has(id) && !explained.has(id);
  for (const id of source.tombstones.keys()) {
    if (!isGap(id)) continue;
    const found = await store.read(tombstoneName(id));
    if (found !== null) await put(replica, lease, id, found.body);
  }
  if (!canSign(signer)) return;
  for (const { id, manifest, refusal, sha256 } of source.listed) {
    // A tombstone that does not name the manifest would contradict the successor.
    if (!isGap(id) || refusal !== undefined) continue;
    const prunedAt = new Date(clock.now()).toISOString();
    const previous = manifest?.previous ?? null;
    const reasons = [NOT_REPLICATED];
    const body = signTombstone({ formatVersion: 1, id, manifestSha256: sha256, previous, prunedAt, reasons }, signer);
    await put(replica, lease, id, body);
  }
}

async function put(replica: ObjectStore, lease: RemovalLease, id: string, body: Buffer): Promise<void> {
  await lease.keep();
  // One that is there and does not count gives way.
  await overwriteObject(replica, tombstoneName(id), body);
}

async function listedIn(store: ObjectStore): Promise<Set<string>> {
  const listed = new Set<string>();
  for (const id of await snapshotIds(store)) if ((await catalogEntry(store, id)) !== null) listed.add(id);
  return listed;
}
