import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import { type RunRecord, isOver } from '../../lib/runs/model.js';
import { loadIndexModels, modelOf } from '../../lib/soulcaster/index-models.js';
import { openReindexBench, type ReindexBench } from './bench.js';
import { putProject, someItems } from './data.js';
import { storedIn } from './outcome.js';
import { isItems, wrapEmbedder } from './wrap.js';

/** `CHANGE_ITEMS=10000` gives the largest expected workspace. */
const COUNT = Number(process.env['CHANGE_ITEMS'] ?? 900);
const SECOND = 'gemini-embedding-2';
const WHERE = { beside: { index: 'same', suffix: ':g2' } } as const;
const MOST_NEAREST = 1000;
const KILLS = 3;

let bench: ReindexBench;

beforeEach(async () => {
  bench = await openReindexBench();
});
afterEach(() => bench.stop());

/** Completes a run over the queue, with functions that die now and then, and days that pass while it waits. */
async function workOff(id: string, wake: () => void): Promise<{ run: RunRecord; kills: number; days: number }> {
  const queued = { settings: { inline: 0, patience: false } } as const;
  const engine = bench.engine(queued);
  const waiting: string[] = [];
  let [kills, days, tasks] = [0, 0, 0];
  await engine.enqueue(id);
  for (let steps = 0; steps < 20_000; steps++) {
    for (let next = bench.queue.take(); next !== null; next = bench.queue.take()) waiting.push(next);
    const body = waiting.shift();
    if (body === undefined) {
      const run = await bench.load(id);
      if (isOver(run)) return { run, kills, days };
      if (run.state !== 'waiting') throw new Error(`nobody works on the run, which is at ${run.phase}`);
      days += 1;
      wake();
      bench.clock.advance(Date.parse(run.resumeAt ?? '') - bench.clock.now() + 1000);
      await engine.work(id, bench.budget());
      continue;
    }
    if (body.includes('"phase":"embed"') && kills < KILLS && tasks++ % 2 === 1) {
      kills += 1;
      await dieOver(body);
      waiting.push(body);
      continue;
    }
    const again = await engine.deliver(body, bench.budget()).then(
      () => null,
      (error: unknown) => {
        if (error instanceof AppError && error.transient) return error.retryAfterMs ?? 1000;
        throw error;
      },
    );
    if (again === null) continue;
    bench.clock.advance(again);
    waiting.push(body);
  }
  throw new Error('the run does not end');
}

/** A function that is killed while it embeds: it sends no response and writes nothing more. */
async function dieOver(body: string): Promise<void> {
  let reached = (): void => undefined;
  const dying = new Promise<void>((resolve) => (reached = resolve));
  const embedder = wrapEmbedder(bench.ports.elsewhere.embedderOf({ ...bench.ports.recipe, model: SECOND }), (texts) => {
    if (!isItems(texts)) return null;
    reached();
    return new Promise<never>(() => undefined);
  });
  const mortal = bench.engine({ settings: { inline: 0, patience: false }, embedder });
  const ended = mortal.deliver(body, bench.budget()).catch(() => undefined);
  await Promise.race([dying, ended]);
  bench.clock.advance(120_000);
}

it('changes the model of a whole index without a gap in search, despite kills and limits', async () => {
  const items = someItems(COUNT);
  await putProject(bench.database.redis, 'p1', items, { c: ['item-001'] });
  expect(await bench.run()).toMatchObject({ state: 'succeeded' });
  const probe = (await bench.ports.vectors.fetch('p1', ['item-001']))[0]?.values ?? new Float32Array(768);

  // The day's quota of the embedder, then that of the index, end in the middle; every eighth call meets the rate limit.
  let [quota, upserts] = [Math.ceil(COUNT / 300), 0];
  let today: 'embedder' | 'index' | 'none' = 'embedder';
  bench.gemini.setFaults({
    call: ({ index, texts }) => {
      if (!isItems(texts)) return null;
      if (today === 'embedder' && quota-- <= 0) return 'daily-quota';
      return index % 8 === 7 ? 'rate-limit' : null;
    },
  });
  const daily = '{"error":"Exceeded daily write limit: 10000","status":429}';
  bench.index.setFaults({
    reject: {
      status: 429,
      body: daily,
      hits: ({ endpoint, namespace }) =>
        today === 'index' && endpoint === 'upsert' && namespace === 'p1:g2' && upserts++ >= 1,
    },
  });

  const found: string[][] = [];
  const done = new AbortController();
  const searching = (async () => {
    while (!done.signal.aborted) {
      const matches = await bench.ports.vectors.query('p1', probe, MOST_NEAREST);
      found.push(matches.map(({ id }) => id).sort());
      await delay(20);
    }
  })();
  const engine = bench.engine({ settings: { inline: 0, patience: false } });
  const id = await bench.start(engine, WHERE, {}, { model: SECOND });
  const { days, kills, run } = await workOff(id, () => {
    today = today === 'embedder' ? 'index' : 'none';
  });
  done.abort();
  await searching;

  expect(run).toMatchObject({ state: 'succeeded', error: null });
  expect([kills, days]).toEqual([KILLS, 2]);
  // Every query of the old index found the same vectors throughout.
  expect(found.length).toBeGreaterThan(10);
  expect(new Set(found.map((ids) => ids.join())).size).toBe(1);
  expect(found[0]).toHaveLength(Math.min(COUNT, MOST_NEAREST));
  const index = bench.ports.elsewhere.indexOf(WHERE.beside);
  expect((await storedIn(index, 'p1')).size).toBe(COUNT);
  expect(run.result).toMatchObject({
    proof: { items: COUNT, vectors: COUNT, missing: 0, strays: 0, wrong: 0, sampleFound: 10 },
    compared: { queries: 20, overlap: expect.any(Number) },
    recipe: { model: SECOND },
  });
  const models = await loadIndexModels(bench.ports.store);
  expect(modelOf(models, index.place, 'p1')).toMatchObject({
    model: SECOND,
    mixed: false,
    provenAt: expect.any(String),
  });
});
