import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/services/clock.js';
import { fileStore } from '../../lib/stores/file/store.js';
import { retryingStore } from '../../lib/stores/retrying.js';
import type { Clock } from '../../lib/ports/clock.js';
import type { ObjectStore } from '../../lib/ports/store.js';

export interface FolderStore {
  readonly store: ObjectStore;
  readonly folder: string;
  remove(): Promise<void>;
}

/** A store in a separate temporary folder, with the program's own retries. `stamps`: the store's clock, where a test turns it. */
export async function folderStore(stamps?: Clock): Promise<FolderStore> {
  const folder = await mkdtemp(join(tmpdir(), 'soulcaster-backup-test-'));
  return {
    store: retryingStore(fileStore({ folder, ...(stamps === undefined ? {} : { stamps }) }), systemClock()),
    folder,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
