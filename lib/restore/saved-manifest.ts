import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import { loadManifest, type Manifest } from '../snapshot/manifest.js';

/**
 * The manifest of what a restore saved first. Throws `damaged` when it is gone: taken for one of nothing, nothing would be removed,
 * and nothing proven to have stayed.
 */
export async function savedManifest(store: ObjectStore, id: string): Promise<Manifest> {
  const loaded = await loadManifest(store, id);
  if (loaded !== null) return loaded.manifest;
  throw new AppError('damaged', `What the restore saved first, snapshot ${id}, is gone from the store`, {
    hint: 'Find out what removes objects from the store, stop it and start the restore again.',
  });
}
