import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { silentLog } from '../../lib/app/json-log.js';
import { authenticatedStore } from '../../lib/control/authenticated-store.js';
import { ed25519Signer, generateSigningKey } from '../../lib/crypto/ed25519.js';
import { decodeJson, encodeJson } from '../../lib/json.js';
import { runName } from '../../lib/runs/records.js';
import { runsOf } from '../../lib/runs/recent.js';
import { signUnsignedState } from '../../lib/snapshot/accept.js';
import { writeRun } from '../retention/prune/bench.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';

const AT = '2026-11-22T12:00:00.000Z';
let folder: FolderStore;
beforeEach(async () => {
  folder = await folderStore();
});
afterEach(() => folder.remove());

it('signs what has no signature, ends a run that had not ended, and leaves what another key signed', async () => {
  const signerOf = () => ed25519Signer({ privateKey: generateSigningKey().privateKey, publicKey: null });
  const store = authenticatedStore(folder.store, signerOf(), silentLog());
  const id = await writeRun(folder.store);
  const found = await folder.store.read(runName(id));
  const record = decodeJson(found?.body ?? Buffer.of()) as object;
  const open = `${id.slice(0, -4)}zzzz`;
  await folder.store.create(runName(open), encodeJson({ ...record, id: open, state: 'running', finishedAt: null }));
  await folder.store.create('guard/sources.json', encodeJson({ a: [] }));
  await folder.store.create('runs/20261122T020000Z-aaaaaa/run.json', encodeJson({}));
  await authenticatedStore(folder.store, signerOf(), silentLog()).create('guard/pins.json', encodeJson({ pinned: [] }));
  expect(await runsOf(store, [id, open])).toEqual([]);
  expect(await signUnsignedState(store, AT)).toEqual(['guard/sources.json', runName(id), runName(open)]);
  expect(await store.read('guard/sources.json')).not.toBeNull();
  expect(await store.read('guard/pins.json')).toBeNull();
  expect(await runsOf(store, [id, open])).toMatchObject([
    { id },
    { id: open, state: 'failed', finishedAt: AT, checkpoint: null, error: { code: 'cancelled' } },
  ]);
  expect(await signUnsignedState(store, AT)).toEqual([]);
});
