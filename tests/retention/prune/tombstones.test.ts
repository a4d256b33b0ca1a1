import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ed25519Signer, generateSigningKey } from '../../../lib/crypto/ed25519.js';
import { manifestName } from '../../../lib/snapshot/names.js';
import { readTombstone, tombstoneName } from '../../../lib/snapshot/tombstone.js';
import { folderStore, type FolderStore } from '../../support/folder-store.js';
import { findingsOf, makeSnapshot, UNSIGNED } from '../../support/made-snapshots.js';
import { days, daysAgo, listed, namesIn, noon, pruneIn } from './bench.js';

let folder: FolderStore;
beforeEach(async () => {
  folder = await folderStore();
});
afterEach(() => folder.remove());
const store = () => folder.store;

describe('the record of a removal', () => {
  it('is signed, and must be signed if a key is set', async () => {
    const signer = ed25519Signer({ ...generateSigningKey() });
    const ids = await days(store(), 4, { signer });
    await pruneIn({ store: store(), signer });
    const clock = noon();
    expect(await findingsOf(store(), clock, ids[0] ?? '', signer)).toEqual([]);
    expect(await findingsOf(store(), clock, ids[0] ?? '', UNSIGNED)).toEqual([]);
    const other = ed25519Signer({ ...generateSigningKey() });
    const found = await findingsOf(store(), clock, ids[0] ?? '', other);
    expect(found).toContain(`snapshot-missing ${ids[2] ?? ''}`);
  });

  it('cannot be made with the public key alone', async () => {
    const { publicKey } = generateSigningKey();
    const signer = ed25519Signer({ privateKey: null, publicKey });
    await expect(pruneIn({ store: store(), signer })).rejects.toMatchObject({ code: 'config' });
  });

  it.each([
    ['is gone', null],
    ['is altered', (text: string) => text.replace('no-rule', 'no-rulE')],
    ['is of another snapshot', (text: string) => text.replaceAll(/"id": "\d{8}/g, '"id": "20200101')],
    ['is no JSON', () => '{'],
  ] as const)('explains nothing when it %s', async (_what, change) => {
    const ids = await days(store(), 3);
    await pruneIn({ store: store() });
    const name = tombstoneName(ids[2] ?? '');
    const found = await store().read(name);
    if (found === null) throw new Error('no tombstone');
    if (change === null) await store().remove(name);
    else await store().swap(name, Buffer.from(change(found.body.toString())), found.etag);
    expect(await findingsOf(store(), noon(), ids[0] ?? '')).toEqual([`snapshot-missing ${ids[2] ?? ''}`]);
  });

  it('has no effect while the snapshot exists, and does not hide one that was removed by hand', async () => {
    const ids = await days(store(), 5);
    await pruneIn({ store: store(), settings: { keepLast: 4 } });
    await store().remove(manifestName(ids[3] ?? ''));
    expect(await findingsOf(store(), noon(), ids[0] ?? '')).toEqual([`snapshot-missing ${ids[3] ?? ''}`]);
    // Its successor goes as well: the hole is still told of, and its parts stay to be mended.
    const result = await pruneIn({ store: store() });
    expect(result.missing).toEqual([ids[3]]);
    expect(await findingsOf(store(), noon(), ids[0] ?? '')).toEqual([`snapshot-missing ${ids[3] ?? ''}`]);
    expect((await namesIn(store(), `snapshots/${ids[3] ?? ''}/`)).length).toBe(3);
  });

  it('does not count for an altered manifest that was removed', async () => {
    const ids = await days(store(), 2);
    const forged = await makeSnapshot(store(), { at: daysAgo(3), previous: null });
    const next = await makeSnapshot(store(), {
      at: daysAgo(2),
      previous: { id: forged, sha256: '0'.repeat(64) },
    });
    await pruneIn({ store: store() });
    expect(await listed(store())).toEqual(ids);
    const found = await findingsOf(store(), noon(), ids[0] ?? '');
    expect(found).toEqual([`manifest-altered ${manifestName(forged)}`]);
    expect(await readTombstone({ store: store(), signer: UNSIGNED }, next)).not.toBeNull();
  });
});
