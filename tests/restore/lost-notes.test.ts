import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { ObjectStore } from '../../lib/ports/store.js';
import { unfinishedOf } from '../../lib/snapshot/unfinished-marks.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

let bench: RestoreBench;
beforeEach(async () => {
  bench = await openRestoreBench();
});
afterEach(() => bench.stop());

it('a restore that lost the index of removable keys fails instead of leaving them', async () => {
  const { redis } = bench.database;
  await redis.set('a', '1');
  const { id } = await bench.snapshot();
  await redis.mset('b', '2', 'c', '3');
  let removing = false;
  const store: ObjectStore = {
    ...bench.folder.store,
    swap(name, body, etag) {
      removing ||= /"phase": ?"remove"/.test(Buffer.from(body).toString());
      return bench.folder.store.swap(name, body, etag);
    },
    read: async (name) => (removing && /^runs\/.*\/parts\/part-/.test(name) ? null : bench.folder.store.read(name)),
  };
  const run = await bench.restore(id, {}, { store });
  expect(run).toMatchObject({ state: 'failed', error: { code: 'damaged' } });
  expect(run.error?.message).toContain('/parts/part-');
  expect(await unfinishedOf(bench.folder.store, sourceOf(bench.port.host))).toMatchObject([{ run: run.id }]);
  expect(await bench.restore(id)).toMatchObject({ state: 'succeeded', result: { removed: 2, extras: 0 } });
});
