import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ed25519Signer, generateSigningKey } from '../../lib/crypto/ed25519.js';
import { silentLog } from '../../lib/app/in-process.js';
import { authenticatedStore } from '../../lib/control/authenticated-store.js';
import { encodeJson } from '../../lib/json.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import { hasMarker, missingTasks, taskResults, writeMarker } from '../../lib/runs/markers.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';

const RUN = '20261122T020000Z-x7k2m9';
const nameOf = (task: number): string => `runs/${RUN}/tasks/check-00000${task}.json`;

let folder: FolderStore;
let store: ObjectStore;

beforeEach(async () => {
  folder = await folderStore();
  store = authenticatedStore(folder.store, ed25519Signer({ ...generateSigningKey(), publicKey: null }), silentLog());
});
afterEach(() => folder.remove());

const put = async (task: number, body: string | Buffer): Promise<void> => {
  await folder.store.remove(nameOf(task));
  await folder.store.create(nameOf(task), Buffer.from(body));
};
const results = async (count: number | null): Promise<unknown[]> => {
  const found: unknown[] = [];
  for await (const { result } of taskResults(store, RUN, 'check', count)) found.push(result);
  return found;
};

describe.each([
  ['empty', ''],
  ['cut', '{"task":1,"res'],
  ['a list', '[]'],
  ['null', 'null'],
  ['unsigned', encodeJson({ task: 1, result: { findings: [] } })],
])('a marker that is %s', (_, body) => {
  it('leaves its task to be done, and is then replaced by the new result', async () => {
    for (const task of [0, 1, 2]) await writeMarker(store, RUN, 'check', task, `result ${task}`);
    await put(1, body);
    expect(await hasMarker(store, RUN, 'check', 1)).toBe(false);
    expect(await missingTasks(store, RUN, 'check', 3)).toEqual([1]);
    await writeMarker(store, RUN, 'check', 1, 'done again');
    expect(await missingTasks(store, RUN, 'check', 3)).toEqual([]);
    expect(await results(3)).toEqual(['result 0', 'done again', 'result 2']);
  });

  it('never makes the results fewer than the tasks', async () => {
    for (const task of [0, 1, 2]) await writeMarker(store, RUN, 'check', task, `result ${task}`);
    await put(1, body);
    await expect(results(3)).rejects.toMatchObject({ code: 'damaged' });
  });
});

it('ignores a marker that holds another task', async () => {
  await writeMarker(store, RUN, 'check', 0, 'first');
  await put(1, (await folder.store.read(nameOf(0)))?.body ?? Buffer.from(''));
  expect(await missingTasks(store, RUN, 'check', 2)).toEqual([1]);
});
