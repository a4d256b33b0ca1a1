import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { ERASURES_NAME, saveErasure } from '../../lib/snapshot/erasures.js';
import { SELECT_ALL, type Selection } from '../../lib/soulcaster/selection.js';
import { exportContent, type ExportTally } from '../../lib/transfer/export.js';
import { all, openInspectBench, PARTS, type InspectBench } from '../inspect/bench.js';

const ERASED = ['config:sentry:p1:token', 'job:j1', 'job:j1:logs', 'job:old:logs', 'project:p1', 'user:projects:alone'];
const KEPT = ['config:sentry:p2:token', 'job:j2', 'project:p2', 'user:projects:u1'];

let bench: InspectBench;
let id = '';
beforeAll(async () => {
  bench = await openInspectBench();
  const { redis } = bench.database;
  for (const [project, job] of [
    ['p1', 'j1'],
    ['p2', 'j2'],
  ] as const) {
    await redis.hset(`project:${project}`, { id: project, user_id: 'u1' });
    await redis.set(`config:sentry:${project}:token`, 'a name');
    await redis.hset(`job:${job}`, { id: job, project_id: project });
  }
  await redis.rpush('job:j1:logs', 'a line');
  await redis.rpush('job:old:logs', 'a line');
  await redis.sadd('user:projects:u1', 'p1', 'p2');
  await redis.sadd('user:projects:alone', 'p1');
  id = (await bench.takeWhole({ settings: PARTS })).id;
});
afterAll(() => bench.stop());
beforeEach(async () => {
  await bench.folder.store.remove(ERASURES_NAME);
  const entry = { kind: 'project' as const, id: 'p1', projects: ['p1'], jobs: ['old'], reason: 'asked', by: 'ops' };
  const encryptor = ageEncryptor({ recipients: [], identity: null });
  await saveErasure({ store: bench.folder.store, encryptor }, { ...entry, at: '2026-11-26T10:00:00Z' });
});

async function exported(selection: Selection, format: 'jsonl' | 'resp' = 'jsonl') {
  const tally: ExportTally = { keys: 0, lines: 0 };
  const chunks = await all(exportContent(await bench.look(id), selection, format, tally));
  return { tally, text: Buffer.concat(chunks).toString() };
}

it.each(['jsonl', 'resp'] as const)(
  'an export leaves out data on the erasure list, as a restore does: %s',
  async (format) => {
    const { tally, text } = await exported(SELECT_ALL, format);
    for (const key of ERASED)
      expect([key, text.includes(`${key}"`) || text.includes(`${key}\r`)]).toEqual([key, false]);
    for (const key of KEPT) expect([key, text.includes(`${key}"`) || text.includes(`${key}\r`)]).toEqual([key, true]);
    expect(tally).toMatchObject({ keys: KEPT.length, erased: ERASED.length });
    // The list of the user's projects lost the erased one alone.
    expect(text).not.toMatch(/\bp1\b/);
  },
);

it('an export of an erased project is refused, and includes it again when no entry counts', async () => {
  const selection = { ...SELECT_ALL, projects: ['p1'] };
  await expect(exported(selection)).rejects.toMatchObject({
    code: 'not-restorable',
    message: expect.stringContaining('On the erasure list') as unknown,
  });
  await bench.folder.store.remove(ERASURES_NAME);
  expect((await exported(selection)).tally).toEqual({ keys: 6, lines: 6 });
});
