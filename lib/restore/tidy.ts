import type { ObjectStore } from '../ports/store.js';
import { dropIndexes } from '../snapshot/finalize.js';
import { partName } from '../snapshot/names.js';
import { placedPrefix } from './unite/placed.js';
import { forgetSourceKeys, sourceIndexPrefix } from './key-set.js';

/**
 * Removes what only a run in progress needs, and what would tell whoever reads the store of keys that are encrypted: hashes of
 * keys' names, and the ids of jobs, clusters and users that the first look at each part found (markers of phase `check`).
 * No phase that may still be worked on again reads any of it.
 */
export async function tidyUp(store: ObjectStore, run: string): Promise<void> {
  forgetSourceKeys(store);
  await dropIndexes(store, run);
  for (const prefix of [sourceIndexPrefix(run), placedPrefix(run), `runs/${run}/tasks/check-`]) {
    for await (const { name } of store.list(prefix)) await store.remove(name);
  }
}

/** The same for a restore that ends before it writes, and what its plan has saved. */
export async function tidyUpPlan(store: ObjectStore, run: string): Promise<void> {
  await tidyUp(store, run);
  // Where the bucket keeps objects for some time, `prune` removes them later, as it does what a dead task still writes.
  for await (const { name } of store.list(partName(run, ''))) await store.remove(name).catch(() => undefined);
}
