import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { placementPrefix, placementWriter, readPlacements } from '../../lib/restore/unite/placed.js';
import { classifyKey } from '../../lib/soulcaster/keys.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';

/** More than an object may hold: larger ones are not read, and what is not read would count as placed nowhere. */
const MEMBERS = 600_000;
const MOST_BYTES = 16 * 1024 * 1024;
const LIST = 'feedback:unclustered:p1';

let folder: FolderStore;
beforeEach(async () => {
  folder = await folderStore();
});
afterEach(() => folder.remove());

it('placements of any number of members are stored in objects and read back', async () => {
  const places = placementWriter();
  const [known, key] = [classifyKey(LIST), Buffer.from(LIST)];
  for (let at = 0; at < MEMBERS; at++) places.add(known, key, Buffer.from(`item-${at}`));
  await places.save(folder.store, `${placementPrefix('run')}live-000000000000-1`);
  const sizes: number[] = [];
  for await (const { size } of folder.store.list(placementPrefix('run'))) sizes.push(size);
  expect(sizes).toHaveLength(2);
  expect(Math.max(...sizes)).toBeLessThan(MOST_BYTES);
  const placed = await readPlacements(folder.store, `${placementPrefix('run')}live-`);
  for (const at of [0, MEMBERS / 2, MEMBERS - 1]) {
    expect(placed.isInList(known, key, Buffer.from(`item-${at}`))).toBe(true);
    expect(placed.isInGroup(classifyKey('cluster:p1:c1:items'), Buffer.from(`item-${at}`))).toBe(true);
  }
  expect(placed.isInGroup(known, Buffer.from('item'))).toBe(false);
});
