import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLog } from '../../lib/app/json-log.js';
import { AppError } from '../../lib/errors.js';
import { projectFigures, type ProjectFigures } from '../../lib/monitoring/projects.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import type { VectorIndex } from '../../lib/ports/vector-index.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { makeSnapshot, UNSIGNED } from '../support/made-snapshots.js';

const INDEX = {
  place: { index: 'host', suffix: '' },
  info: () => Promise.resolve({ namespaces: { p: { vectors: 3, pending: 0 }, newer: { vectors: 1, pending: 0 } } }),
} as unknown as VectorIndex;

/** Nobody is kept waiting: all answers come in time. */
const PATIENT = {
  now: () => Date.parse('2026-11-21T00:00:00Z'),
  sleep: (_: number, signal?: AbortSignal) =>
    new Promise<void>((wake) => signal?.addEventListener('abort', () => wake(), { once: true })),
};

describe('what is saved of each project', () => {
  let folder: FolderStore;
  beforeEach(async () => (folder = await folderStore()));
  afterEach(() => folder.remove());

  const figures = (read: ObjectStore['read'] = (name) => folder.store.read(name)): Promise<ProjectFigures> =>
    projectFigures({
      clock: PATIENT,
      log: silentLog(),
      signer: UNSIGNED,
      store: { ...folder.store, read },
      own: null,
      redis: null,
      vectors: () => INDEX,
    });
  const keysIn = ({ projects }: ProjectFigures) =>
    Object.fromEntries(projects.map(({ project, keys }) => [project, keys]));

  it('is nothing without a snapshot, and for projects newer than the snapshot', async () => {
    expect(keysIn(await figures())).toEqual({ p: 0, newer: 0 });
    await makeSnapshot(folder.store, { at: '2026-11-20T02:00:00Z', keys: 4 });
    expect(keysIn(await figures())).toEqual({ p: 4, newer: 0 });
  });

  it('is unknown if the store does not answer', async () => {
    await makeSnapshot(folder.store, { at: '2026-11-20T02:00:00Z', keys: 4 });
    const down = () => Promise.reject(new AppError('store-unavailable', 'down', { hint: 'wait' }));
    const seen = await figures(down);
    expect([seen.store, seen.snapshot, keysIn(seen)]).toEqual(['unavailable', null, { p: null, newer: null }]);
  });
});
