import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileStore } from '../../lib/stores/file/store.js';
import type { Clock } from '../../lib/ports/clock.js';
import type { ObjectStore } from '../../lib/ports/store.js';

export interface FolderStore {
  readonly store: ObjectStore;
  readonly folder: string;
  remove(): Promise<void>;
}

/** A store in a separate temporary folder. `stamps`: the store's clock, where a test turns it. */
export async function folderStore(stamps?: Clock): Promise<FolderStore> {
  const folder = await mkdtemp(join(tmpdir(), 'soulcaster-backup-test-'));
  return {
    store: fileStore({ folder, ...(stamps === undefined ? {} : { stamps }) }),
    folder,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
