import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { diff, snapshotSide, type KeyChange } from '../../lib/inspect/diff.js';
import { heldIn, type Held, type OpenSnapshot } from '../../lib/inspect/open.js';
import { liveSide } from '../../lib/inspect/live.js';
import { loadManifest, type Manifest } from '../../lib/snapshot/manifest.js';
import { fromText } from '../../lib/soulcaster/text.js';
import { parseSelection, SELECT_ALL } from '../../lib/soulcaster/selection.js';
import { exportContent } from '../../lib/transfer/export.js';
import { finalizeStaged } from '../../lib/transfer/publish.js';
import { writeOutFile } from '../../lib/transfer/write/out-file.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import { openTransferBench, PLAIN, type TransferBench } from '../transfer/transfer-bench.js';

describe('a comparison with a snapshot of a part of a database', () => {
  let bench: TransferBench;
  beforeAll(async () => {
    bench = await openTransferBench();
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    const { redis } = bench.database;
    await redis.flushall();
    for (const project of ['p', 'q']) {
      await redis
        .pipeline()
        .hset(`project:${project}`, 'id', project, 'user_id', 'u')
        .hset(`job:of-${project}`, 'project_id', project, 'status', 'done')
        .set(`feedback:${project}:1`, 'v')
        .sadd('user:projects:u', project)
        .exec();
    }
    await redis.set('note', 'v');
  });

  const opened = (manifest: Manifest): OpenSnapshot => ({ manifest, store: bench.folder.store, encryptor: PLAIN });

  async function changed(before: OpenSnapshot, after: OpenSnapshot | 'live', selection = SELECT_ALL) {
    const changes: string[] = [];
    const onChange = ({ change, key }: KeyChange): void =>
      void changes.push(`${change} ${fromText(key).toString('latin1')}`);
    const sides = [await heldIn(before), after === 'live' ? null : await heldIn(after)];
    const within = sides.filter((held): held is Held => held !== null);
    const side = after === 'live' ? liveSide(bench.port, new AbortController().signal) : snapshotSide(after, selection);
    const counts = await diff(before, side, {
      selection,
      within,
      depth: 'keys',
      now: () => bench.clock.now(),
      onChange,
    });
    const same = counts.reduce((sum, row) => sum + row.same, 0);
    return { changes: changes.sort(), same, words: within.map(({ words }) => words) };
  }

  it('reports no key as added or removed that belongs to a project outside a safety snapshot', async () => {
    const { redis } = bench.database;
    const whole = await bench.snapshot();
    await redis.mset('feedback:p:1', 'changed', 'note', 'changed');
    const run = await bench.restore(whole.id, { scope: { project: 'p' } });
    const manifest = (await loadManifest(bench.folder.store, run.id))?.manifest;
    if (manifest?.partial !== true) throw new Error('the safety snapshot is not partial');
    await redis.set('feedback:q:1', 'changed');
    const saved = opened(manifest);
    const words = ['keys of project p and keys that name no project'];
    expect(await changed(saved, 'live')).toEqual({ changes: ['changed feedback:p:1'], same: 5, words });
    expect(await changed(opened(whole), saved)).toMatchObject({ changes: ['changed feedback:p:1', 'changed note'] });
    expect(await changed(saved, 'live', parseSelection({ project: ['q'] }))).toMatchObject({ changes: [], same: 2 });
  });

  it('reports no key as added that was not selected for an imported export', async () => {
    const { redis } = bench.database;
    const selection = parseSelection({ project: ['p'] });
    const imported = await importOf(await bench.snapshot(), selection);
    await redis.hset('job:of-p', 'status', 'changed');
    await redis.hset('job:more-of-p', 'project_id', 'p');
    const found = await changed(imported, 'live');
    expect(found).toEqual({
      changes: ['added job:more-of-p', 'changed job:of-p'],
      same: 2,
      words: ['project p'],
    });
  });

  it('says that the selection is unknown where the snapshot does not name it', async () => {
    const whole = await bench.snapshot();
    const imported = await importOf({ ...whole, partial: true }, SELECT_ALL);
    const { words } = await changed(imported, 'live');
    expect(words).toEqual(['an unknown selection of keys, so that a key which it lacks may exist']);
  });

  let files = 0;
  async function importOf(whole: Manifest, selection = SELECT_ALL): Promise<OpenSnapshot> {
    const path = join(bench.files, `${++files}.jsonl`);
    const content = exportContent(opened(whole), selection, 'jsonl', { keys: 0, lines: 0 });
    await writeOutFile(path, content, { force: false, encryptor: PLAIN, signal: new AbortController().signal });
    const brought = await bench.staged(path);
    const manifest = await finalizeStaged({ clock: bench.clock, signer: UNSIGNED }, brought);
    return { manifest, store: brought.store, encryptor: PLAIN };
  }
});
