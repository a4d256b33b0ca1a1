import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { adoptDatabase } from '../../lib/snapshot/accept.js';
import { findLatest } from '../../lib/snapshot/latest.js';
import { sha256 } from '../../lib/snapshot/manifest.js';
import { trustContext } from '../../lib/snapshot/trust.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { makeSnapshot, UNSIGNED, type MadeOptions } from '../support/made-snapshots.js';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const OWN = sha256('host');
const moved = sha256('new-host');
let folder: FolderStore;
beforeEach(async () => {
  folder = await folderStore();
});
afterEach(() => folder.remove());

const context = () => trustContext({ store: folder.store, signer: UNSIGNED, clock: { now: () => NOW } }, moved);
const latest = async (): Promise<string | undefined> => (await findLatest(await context())).entry?.id;

/** A snapshot of this many hours ago. */
function made(hours: number, options: Partial<MadeOptions> = {}): Promise<string> {
  return makeSnapshot(folder.store, { at: new Date(NOW - hours * 3_600_000).toISOString(), ...options });
}

it('a database that moved does not adopt the old one while a nearly empty snapshot would be latest', async () => {
  const old = await made(9);
  const empty = await made(1, { source: moved, keys: 1, parts: 1 });
  const adopt = async () => adoptDatabase(await context(), OWN.slice(0, 8), { reason: 'moved', withdraw: false });
  await expect(adopt()).rejects.toMatchObject({
    code: 'not-confirmed',
    message: expect.stringContaining(empty) as unknown,
    hint: expect.stringContaining(`restore ${old} --from-source`) as unknown,
  });
  expect(await latest()).toBe(empty);
  const brought = await made(0.5, { source: moved });
  await adopt();
  expect(await latest()).toBe(brought);
});
