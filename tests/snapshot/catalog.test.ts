import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { catalog, catalogEntry, findPreviousLink, snapshotIds } from '../../lib/snapshot/catalog.js';
import { latestIn, selectedIn } from '../support/trust.js';
import { sha256 } from '../../lib/snapshot/manifest.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';

describe('the catalog', () => {
  let bench: SnapshotBench;
  const ids: string[] = [];
  beforeAll(async () => {
    bench = await openSnapshotBench();
    // Its counts must come back from the manifest for the verification to succeed.
    await bench.database.redis.set('feedback:__proto__:1', 'v');
    for (let at = 0; at < 3; at++) ids.push((await bench.takeWhole()).id);
  });
  afterAll(() => bench.stop());

  const store = () => bench.folder.store;
  const at = (index: number): string => ids[index] ?? '';

  it('lists snapshots newest first, and only those with a manifest', async () => {
    const unfinished = '20200101T000000Z-000000';
    await store().create(`snapshots/${unfinished}/part-00000-00001.jsonl.gz`, Buffer.from('left over'));
    await store().create('snapshots/notes/readme.txt', Buffer.from('no snapshot'));
    const listed: string[] = [];
    for await (const { id } of catalog(store())) listed.push(id);
    expect(listed).toEqual([...ids].reverse());
    expect(await snapshotIds(store())).toEqual([unfinished, ...ids]);
    expect(await catalogEntry(store(), unfinished)).toBeNull();
  });

  it('finds a snapshot by id or as the latest, and throws not-found when there is none', async () => {
    expect(await selectedIn(store(), 'latest')).toBe(at(2));
    expect(await selectedIn(store(), at(0))).toBe(at(0));
    for (const wanted of ['20200101T000000Z-000001', '20200101T000000Z-000000', '../x', '', 'Latest']) {
      await expect(selectedIn(store(), wanted)).rejects.toMatchObject({ code: 'not-found' });
    }
  });

  it('links a snapshot to the newest one before it', async () => {
    const manifest = await store().read(`snapshots/${at(1)}/manifest.json`);
    expect(await findPreviousLink(store(), at(2))).toEqual({ id: at(1), sha256: sha256(manifest?.body ?? '') });
    expect((await catalogEntry(store(), at(2)))?.manifest?.previous?.id).toBe(at(1));
    expect(await findPreviousLink(store(), at(0))).toBeNull();
  });

  it('counts a project of any name, and verifies it', async () => {
    const entry = await catalogEntry(store(), at(2));
    expect(Object.entries(entry?.manifest?.counts.byProject ?? {})).toEqual([['__proto__', 1]]);
    expect((await bench.verify(at(2))).result).toMatchObject({ keys: 1, findings: [] });
  });

  it.each(['', '{"state":', '[]', '{"state":"verified"}'])(
    'does not rely on a snapshot whose verification reads %j, and continues with the next',
    async (text) => {
      await writeFile(join(bench.folder.folder, 'snapshots', at(2), 'verification.json'), text);
      expect((await catalogEntry(store(), at(2)))?.verification).toBeNull();
      expect(await latestIn(store())).toBe(at(1));
      await bench.verify(at(2));
      expect(await latestIn(store())).toBe(at(2));
    },
  );

  it('does not choose a snapshot that was never verified', async () => {
    await rm(join(bench.folder.folder, 'snapshots', at(2), 'verification.json'));
    expect(await latestIn(store())).toBe(at(1));
  });
});
