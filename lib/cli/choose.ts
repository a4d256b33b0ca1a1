import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import { catalog, resolveSnapshot } from '../snapshot/catalog.js';

/**
 * The snapshot that was asked for. Here `latest` is the newest there is, whole or not: who looks at snapshots wants to
 * see just the one that is not. What a restore saved before it wrote is named by its id alone. Throws `not-found`.
 */
export async function chooseSnapshot(store: ObjectStore, wanted: string): Promise<string> {
  if (wanted !== 'latest') return resolveSnapshot(store, wanted);
  for await (const { id, manifest } of catalog(store)) if (manifest?.purpose !== 'safety') return id;
  throw new AppError('not-found', 'There is no snapshot yet', { hint: 'Take one with `soulcaster-backup backup`.' });
}
