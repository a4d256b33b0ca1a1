import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileStore } from '../../lib/adapters/file-store.js';
import type { ObjectStore } from '../../lib/ports/store.js';

export interface FolderStore {
  readonly store: ObjectStore;
  readonly folder: string;
  remove(): Promise<void>;
}

/** A store in a temporary folder of its own. */
export async function folderStore(): Promise<FolderStore> {
  const folder = await mkdtemp(join(tmpdir(), 'soulcaster-backup-test-'));
  return { store: fileStore({ folder }), folder, remove: () => rm(folder, { recursive: true, force: true }) };
}
