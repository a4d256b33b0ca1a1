import { afterAll, beforeAll, expect, it } from '@jest/globals';
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

it('what a snapshot does not hold is told of the snapshot', async () => {
  const nobody = bench.start(snapshot, { scope: { project: 'nobody' } });
  await expect(nobody).rejects.toMatchObject({ hint: expect.stringContaining(`show ${snapshot}`) });
});
