import { expect, it } from '@jest/globals';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { acceptSnapshot } from '../../lib/snapshot/accept.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { addMark, unfinishedOf } from '../../lib/snapshot/unfinished-marks.js';
import { folderStore } from '../support/folder-store.js';
import { openRestoreBench } from '../support/restore-bench.js';
import { trustIn } from '../support/trust.js';

it('accepting a snapshot ends its marks in both stores, so that the next snapshot is not doubtful', async () => {
  const bench = await openRestoreBench();
  const second = await folderStore(bench.clock);
  try {
    await bench.database.redis.set('key', 'v');
    const own = sourceOf(bench.port.host);
    const run = '20890101T000000Z-aaaaaa';
    const mark = { run, scope: { all: true as const }, since: '2089-01-01T00:00:00Z', kind: 'restore' };
    for (const { store } of [bench.folder, second]) await addMark(store, own, mark);
    const parts = { marksElsewhere: () => second.store };
    const started = await startSnapshot(bench.engine(parts), 'cli');
    const { error, id } = await bench.work(started.started ? started.run.id : '', parts);
    expect(error?.code).toBe('doubtful');
    const words = { by: 'me', reason: 'looked at the data', ...parts };
    const { ended } = await acceptSnapshot(trustIn(bench.folder.store, { own }), id, words);
    expect(ended).toEqual([run]);
    expect([await unfinishedOf(bench.folder.store, own), await unfinishedOf(second.store, own)]).toEqual([[], []]);
    expect((await bench.snapshot(parts)).doubts ?? []).toEqual([]);
  } finally {
    await second.remove();
    await bench.stop();
  }
});
