import { overwriteObject } from '../../control/write-object.js';
import type { ObjectStore } from '../../ports/store.js';
import { SOURCES_NAME } from '../../snapshot/adopted-sources.js';
import { ERASURES_NAME } from '../../snapshot/erasures.js';
import { PINS_NAME } from '../../snapshot/pins.js';
import { acceptedName, adoptedName, manifestName } from '../../snapshot/names.js';
import type { StoredSnapshots } from '../prune/stored-snapshots.js';
import type { RemovalLease } from '../removal-lease.js';

interface Stores {
  readonly store: ObjectStore;
  readonly replica: ObjectStore;
}

/**
 * Brings what operators have said along: which doubtful snapshots they accepted, which unsigned ones were adopted, which
 * are pinned, which databases this one replaced, and whose data are erased. Else `latest` would mean something else in the second store.
 */
export async function copyWords(stores: Stores, source: StoredSnapshots, lease: RemovalLease): Promise<void> {
  for (const { id, accepted, adopted } of source.listed) {
    if (accepted === null && adopted === null) continue;
    if ((await stores.replica.read(manifestName(id))) === null) continue;
    if (accepted !== null) await copyOver(stores, acceptedName(id), lease);
    if (adopted !== null) await copyOver(stores, adoptedName(id), lease);
  }
  await copyOver(stores, SOURCES_NAME, lease);
  await copyOver(stores, PINS_NAME, lease);
  await copyOver(stores, ERASURES_NAME, lease);
}

async function copyOver({ replica, store }: Stores, name: string, lease: RemovalLease): Promise<void> {
  const found = await store.read(name);
  if (found === null || (await replica.read(name))?.body.equals(found.body) === true) return;
  await lease.keep();
  await overwriteObject(replica, name, found.body);
}
