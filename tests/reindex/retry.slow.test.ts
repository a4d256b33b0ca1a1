import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ReindexRequest, retryInput } from '../../lib/reindex/start.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { inEveryOtherWalk, restarting } from '../snapshot/restarts.js';
import { openReindexBench, type ReindexBench } from './bench.js';
import { expectIndex, putProject, someItems, textOf } from './data.js';
import { storedIn } from './outcome.js';

let bench: ReindexBench;

beforeEach(async () => {
  bench = await openReindexBench();
});

afterEach(() => bench.stop());

const P1 = { scope: { project: 'p1' } } as const;
const ITEMS = someItems(250);

/** A run within one process: an error on which it would wait over a queue ends it. */
async function failing(input: Partial<ReindexRequest>): Promise<RunRecord> {
  const engine = bench.engine({ settings: { inline: 1 } });
  return engine.work(await bench.start(engine, input), bench.budget(Infinity, true));
}

describe('the retry of an incomplete run', () => {
  // Refused, or a namespace that the index cannot serve while it serves the others.
  it.each([400, 500, 503])(
    'is done by another one: the namespace (HTTP %i) and the items that were refused',
    async (status) => {
      for (const project of ['p1', 'p2', 'p3']) await putProject(bench.database.redis, project, someItems(60));
      const bad = textOf(someItems(60)['item-007'] ?? {});
      let refusing = true;
      bench.gemini.setFaults({ refuse: (text) => refusing && text === bad });
      bench.index.setFaults({ reject: { status, hits: ({ namespace }) => refusing && namespace === 'p2' } });
      const dry = await bench.run({ dryRun: true });
      expect(dry).toMatchObject({
        state: 'incomplete',
        error: { code: 'incomplete', message: expect.stringContaining('p2') },
        result: { items: 180, toEmbed: 120, projects: [{ refused: null }, { refused: expect.any(String) }, {}] },
      });
      const run = await bench.run();
      expect(run).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
      expect(run.error?.hint).toContain(`npx soulcaster-backup reindex --retry ${run.id} --env-file .env`);
      refusing = false;
      const before = bench.gemini.textsEmbedded();
      const upserts = bench.index.requestCount('upsert');
      const rest = await bench.retry(run.id);
      expect(rest).toMatchObject({ state: 'succeeded', error: null, input: { retry: run.id } });
      for (const project of ['p1', 'p2', 'p3']) await expectIndex(bench, project, someItems(60));
      // The probe text, all of p2, and one item each of p1 and p3.
      expect(bench.gemini.textsEmbedded() - before).toBe(1 + 60 + 2);
      expect(bench.index.requestCount('upsert') - upserts).toBe(3);
      await expect(retryInput(bench.ports, rest.id, 'cli')).rejects.toMatchObject({ code: 'usage' });
    },
  );

  it.each(['in-place', 'flush'] as const)(
    'is what was not embedded when it failed, an edited item as well (%s)',
    async (mode) => {
      await putProject(bench.database.redis, 'p1', ITEMS);
      let calls = 0;
      bench.gemini.setFaults({ call: () => (calls++ >= 3 ? 'daily-quota' : null) });
      const run = await failing({ ...P1, mode });
      expect(run).toMatchObject({ state: 'failed', error: { code: 'embedder-quota' } });
      // Three calls succeeded: the probe text, and two of the batches of 100, 100 and 50.
      const [id = '', ...others] = (await storedIn(bench.ports.vectors, 'p1')).keys();
      expect([150, 200]).toContain(1 + others.length);
      bench.gemini.setFaults({ call: () => null });
      const edited = { ...ITEMS[id], title: 'Title edited' };
      await bench.database.redis.hset(`feedback:p1:${id}`, edited);
      const before = bench.gemini.textsEmbedded();
      expect(await bench.retry(run.id)).toMatchObject({ state: 'succeeded', error: null });
      await expectIndex(bench, 'p1', { ...ITEMS, [id]: edited });
      expect(bench.gemini.textsEmbedded() - before).toBe(1 + 250 - others.length);
      expect(bench.index.requestCount('reset')).toBe(mode === 'flush' ? 1 : 0);
    },
  );

  it('is refused with another model than the run began with', async () => {
    await putProject(bench.database.redis, 'p1', ITEMS);
    bench.gemini.setFaults({ call: ({ index }) => (index > 0 ? 'daily-quota' : null) });
    const run = await failing(P1);
    expect(run.state).toBe('failed');
    bench.gemini.setFaults({ call: () => null });
    const other = bench.ports.elsewhere.embedderOf({ ...bench.ports.recipe, model: 'gemini-embedding-2' });
    await expect(bench.retry(run.id, { embedder: other })).rejects.toMatchObject({ code: 'vector-mismatch' });
    await expect(retryInput(bench.ports, '20200101T000000Z-aaaaaa', 'cli')).rejects.toMatchObject({
      code: 'not-found',
    });
  });
});

describe('a re-index of a database whose server restarts during the walk', () => {
  it.each([true, false])('finds every item (run_id reported: %s)', async (tells) => {
    const items = someItems(300);
    await putProject(bench.database.redis, 'p1', items);
    const batch = bench.database.redis.pipeline();
    for (let at = 0; at < 4_000; at++) batch.set(`other:${at}`, 'v');
    await batch.exec();
    const port = { database: bench.database, port: bench.ports.redis };
    const redis = restarting(port, { when: inEveryOtherWalk(2), tells });
    const run = await bench.run({ scope: { project: 'p1' } }, { redis });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect((await storedIn(bench.ports.vectors, 'p1')).size).toBe(300);
  });
});
