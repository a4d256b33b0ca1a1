import type { ObjectStore } from '../ports/store.js';
import { dropIndexes } from '../snapshot/finalize.js';
import { partName } from '../snapshot/names.js';
import { placementPrefix } from './unite/placed.js';
import { forgetSourceKeys, sourceIndexPrefix } from './key-set.js';

/**
 * Removes objects that only a run in progress needs and that would reveal encrypted keys to readers of the store:
 * hashes of key names, and ids of jobs, clusters and users found by phase `check` (its markers). No phase that may
 * still run reads any of them.
 */
export async function tidyUp(store: ObjectStore, run: string): Promise<void> {
  forgetSourceKeys(store);
  await dropIndexes(store, run);
  for (const prefix of [sourceIndexPrefix(run), placementPrefix(run), `runs/${run}/tasks/check-`]) {
    for await (const { name } of store.list(prefix)) await store.remove(name);
  }
}

/** The same for a restore that ends before it writes, plus the parts that its plan saved. */
export async function tidyUpPlan(store: ObjectStore, run: string): Promise<void> {
  await tidyUp(store, run);
  // If the bucket retains objects, `prune` removes them later, as it does with parts that a dead task still writes.
  for await (const { name } of store.list(partName(run, ''))) await store.remove(name).catch(() => undefined);
}
