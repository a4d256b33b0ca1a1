import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import { loadManifest, type Manifest } from '../snapshot/manifest.js';

/**
 * The manifest of the restore's safety snapshot. Throws `damaged` when it is gone: taken as empty, nothing would be
 * removed, and no list would be proven to have kept its members.
 */
export async function loadSafetyManifest(store: ObjectStore, id: string): Promise<Manifest> {
  const loaded = await loadManifest(store, id);
  if (loaded !== null) return loaded.manifest;
  throw new AppError('damaged', `The safety snapshot of the restore, ${id}, is gone from the store`, {
    hint: 'Find out what removes objects from the store, stop it and start the restore again.',
  });
}
