import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Gemini } from '../../dev/gemini/index.js';
import type { Embedder } from '../../lib/ports/embedder.js';
import type { ReindexRequest } from '../../lib/reindex/start.js';
import { openReindexBench, type ReindexBench } from './bench.js';
import { expectIndex, putProject, someItems, textOf } from './data.js';
import { embedders, FIRST, SECOND } from './embedders.js';
import { storedIn } from './outcome.js';

const P1 = { scope: { project: 'p1' } } as const;

let bench: ReindexBench;
const geminis = embedders();

beforeEach(async () => {
  bench = await openReindexBench();
});

afterEach(async () => {
  await bench.stop();
  await geminis.stop();
});

const vectorsOf = async (project: string): Promise<string> => {
  const stored = await storedIn(bench.ports.vectors, project);
  return JSON.stringify([...stored].map(([id, { values }]) => [id, [...values.slice(0, 4)]]));
};

/** Removes the records of the models of all namespaces. */
async function forgetModels(): Promise<void> {
  for await (const { name } of bench.ports.store.list('guard/')) await bench.ports.store.remove(name);
}

describe('vectors whose model is not recorded', () => {
  beforeEach(async () => {
    await putProject(bench.database.redis, 'p1', someItems(12));
    await bench.run(P1);
    await forgetModels();
  });

  it('are not mixed with those of another model by mode missing, even if each item was edited since', async () => {
    const edited = Object.entries(someItems(12)).map(([id, item]) => [id, { ...item, title: `New ${id}` }] as const);
    await putProject(bench.database.redis, 'p1', Object.fromEntries(edited));
    await putProject(bench.database.redis, 'p1', someItems(3, 12));
    const before = await vectorsOf('p1');
    const { embedder } = await geminis.of({}, SECOND);
    const run = await bench.run({ ...P1, mode: 'missing' }, { embedder });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'vector-mismatch' } });
    expect(run.error?.message).toContain('It is not known which model');
    expect(await vectorsOf('p1')).toBe(before);
  });

  it('are not mixed with the vector of a single item either', async () => {
    await putProject(bench.database.redis, 'p1', someItems(1, 12));
    const before = await vectorsOf('p1');
    const { embedder } = await geminis.of({}, SECOND);
    const scope = { items: [{ project: 'p1', id: 'item-012' }] };
    const run = await bench.run({ scope }, { embedder });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'vector-mismatch' } });
    expect(await vectorsOf('p1')).toBe(before);
    expect(await bench.run({ scope })).toMatchObject({ state: 'succeeded', error: null });
  });

  it('are recognised from a smaller sample if a call of ten exceeds the rate limit', async () => {
    await putProject(bench.database.redis, 'p1', someItems(1, 12));
    // Each text has 9 tokens.
    const { embedder } = await geminis.of({ tokensPerMinute: 20, speed: 6_000 });
    const run = await bench.runQueued({ ...P1, mode: 'missing' }, { embedder });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
  });
});

describe('a daily quota that one call exceeds', () => {
  const ITEMS = someItems(6);

  /** Completes a run over the queue; returns how often it waited for the next day. */
  async function overDays(input: Partial<ReindexRequest>, embedder: Embedder, gemini: Gemini) {
    const parts = { embedder, settings: { inline: 0, patience: false } };
    const engine = bench.engine(parts);
    const id = await bench.start(engine, input, parts);
    await engine.enqueue(id);
    for (let days = 0; ; days++) {
      for (let body = bench.queue.take(); body !== null; body = bench.queue.take())
        await engine.deliver(body, bench.budget());
      const run = await bench.load(id);
      if (run.state !== 'waiting' || days === 20) return { run, days };
      gemini.renewDay();
      bench.clock.advance(Date.parse(run.resumeAt ?? '') - bench.clock.now() + 1000);
      await engine.work(id, bench.budget());
    }
  }

  it.each([
    [1, 6],
    [3, 2],
  ])('is used up by smaller calls: %d texts a day', async (textsPerDay, expected) => {
    await putProject(bench.database.redis, 'p1', ITEMS);
    const { embedder, gemini } = await geminis.of({ textsPerDay });
    const { days, run } = await overDays(P1, embedder, gemini);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    // One text is the probe.
    expect(days).toBe(expected);
    await expectIndex(bench, 'p1', ITEMS);
    for (const item of Object.values(ITEMS)) expect(gemini.timesEmbedded(textOf(item))).toBe(1);
  });

  it.each([
    [FIRST, 'succeeded'],
    [SECOND, 'failed'],
  ])('limits the sample that recognises the model: %s', async (model, state) => {
    await putProject(bench.database.redis, 'p1', ITEMS);
    await bench.run(P1);
    await forgetModels();
    await putProject(bench.database.redis, 'p1', someItems(1, 6));
    const { embedder, gemini } = await geminis.of({ textsPerDay: 1 }, model);
    const { days, run } = await overDays({ ...P1, mode: 'missing' }, embedder, gemini);
    expect([run.state, days]).toEqual([state, state === 'failed' ? 1 : 2]);
    if (state === 'failed') expect(run.error?.code).toBe('vector-mismatch');
  });
});
