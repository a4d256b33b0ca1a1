import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { snapshotWords } from '../../lib/cli/restore/words.js';
import { dryRunResult, restoredResult } from '../../lib/restore/result.js';
import { runSummary } from '../../lib/runs/summary.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

const IMPORT = '`npx soulcaster-backup import p.jsonl --env-file .env`';

let bench: RestoreBench;
let snapshot = '';
beforeAll(async () => {
  bench = await openRestoreBench();
  await bench.database.redis.set('a', '1');
  snapshot = (await bench.snapshot()).id;
});
afterAll(() => bench.stop());

it('what a file does not hold is told of the file, since its snapshot is in no store', async () => {
  const parts = { snapshotWords: 'p.jsonl' };
  const nobody = bench.start(snapshot, { scope: { project: 'nobody' } }, parts);
  await expect(nobody).rejects.toMatchObject({
    code: 'not-found',
    message: 'The file p.jsonl holds no project "nobody"',
    hint: expect.stringContaining(IMPORT),
  });
  const scope = { projects: [], families: [], matches: [], keys: ['nothere'] };
  const run = await bench.restore(snapshot, { scope, dryRun: true }, parts);
  expect(run.error?.message).toMatch(/^The file p\.jsonl holds no key/);
  expect(run.error?.hint).toContain(IMPORT);
  expect(run.error?.hint).not.toContain(snapshot);
});

it('the run of a file names the file where others name their snapshot', async () => {
  for (const dryRun of [true, false]) {
    const run = await bench.restore(snapshot, { dryRun }, { snapshotWords: 'p.jsonl' });
    const { asked } = runSummary(run);
    expect(asked).toContain('file p.jsonl');
    expect(snapshotWords(restoredResult(run.result) ?? dryRunResult(run.result) ?? nothing())).toBe('file p.jsonl');
    expect(asked).not.toContain(snapshot);
  }
  expect(runSummary(await bench.restore(snapshot)).asked).toContain(`snapshot ${snapshot}`);
});

function nothing(): never {
  throw new Error('no result');
}

it('what a snapshot does not hold is told of the snapshot', async () => {
  const nobody = bench.start(snapshot, { scope: { project: 'nobody' } });
  await expect(nobody).rejects.toMatchObject({ hint: expect.stringContaining(`show ${snapshot}`) });
});
