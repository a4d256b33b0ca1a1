import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { VectorIndex } from '../../lib/ports/vector-index.js';
import { labelOf, loadIndexModels, modelOf } from '../../lib/soulcaster/index-models.js';
import { openReindexBench, type ReindexBench } from './bench.js';
import { expectIndex, putProject, someItems, textOf, type Item } from './data.js';
import { embedders, SECOND } from './embedders.js';
import { reportOf, storedIn } from './outcome.js';

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

const known = async (project: string) =>
  modelOf(await loadIndexModels(bench.ports.store), bench.ports.vectors.place, project);

const vectorsOf = async (project: string): Promise<string> => {
  const stored = await storedIn(bench.ports.vectors, project);
  return JSON.stringify([...stored].map(([id, { values }]) => [id, [...values.slice(0, 4)]]));
};

describe('a change of the model', () => {
  const ITEMS = someItems(150);

  beforeEach(async () => {
    await putProject(bench.database.redis, 'p1', ITEMS);
    expect(await bench.run(P1)).toMatchObject({ state: 'succeeded' });
    await putProject(bench.database.redis, 'p1', someItems(50, 150));
  });

  it.each([true, false])('is refused by mode missing before anything is changed (recorded: %s)', async (recorded) => {
    if (!recorded) for await (const { name } of bench.ports.store.list('guard/')) await bench.ports.store.remove(name);
    const before = await vectorsOf('p1');
    const { embedder } = await geminis.of({}, SECOND);
    for (const dryRun of [true, false]) {
      const run = await bench.run({ ...P1, mode: 'missing', dryRun }, { embedder });
      expect(run).toMatchObject({ state: 'failed', error: { code: 'vector-mismatch' } });
      expect(run.error?.hint).toContain('reindex --project p1');
    }
    expect(await vectorsOf('p1')).toBe(before);
    expect(await bench.run({ ...P1, mode: 'missing' })).toMatchObject({ state: 'succeeded', error: null });
  });

  it('includes a change of the texts, such as another limit of the body', async () => {
    const run = await bench.run({ ...P1, mode: 'missing' }, { settings: { cutCodePoints: 7 } });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'vector-mismatch' } });
  });

  it('replaces all vectors in place, and the run fails and names vectors left of the old model', async () => {
    const { embedder, gemini } = await geminis.of({}, SECOND);
    const bad = [textOf(ITEMS['item-003'] ?? {}), textOf(ITEMS['item-140'] ?? {})];
    gemini.setFaults({ refuse: (text) => bad.includes(text) });
    const run = await bench.run(P1, { embedder });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-proven' } });
    expect(run.error?.message).toContain('2 vectors of another model are left');
    expect(
      reportOf(run)
        .skipped.named.map(({ id }) => id)
        .sort(),
    ).toEqual(['item-003', 'item-140']);
    expect(await known('p1')).toMatchObject({ model: SECOND, provenAt: null, mixed: true });
    // Neither model may add to the mixture.
    for (const other of [embedder, bench.ports.embedder]) {
      const adding = await bench.run({ ...P1, mode: 'missing' }, { embedder: other });
      expect(adding).toMatchObject({ state: 'failed', error: { code: 'vector-mismatch' } });
    }
    gemini.setFaults({ refuse: () => false });
    const before = gemini.textsEmbedded();
    expect(await bench.retry(run.id, { embedder })).toMatchObject({ state: 'succeeded', error: null });
    // The probe text and the two that were left.
    expect(gemini.textsEmbedded() - before).toBe(3);
    expect(await known('p1')).toMatchObject({ model: SECOND, dimensions: 768, mixed: false, run: expect.any(String) });
    expect(await loadIndexModels(bench.ports.store)).toMatchObject({
      namespaces: [{ project: labelOf('p1') }],
      besides: [],
    });
  });
});

describe('a quota that one call exceeds', () => {
  const LONG: Record<string, Item> = Object.fromEntries(
    Object.entries(someItems(130)).map(([id, item]) => [
      id,
      { ...item, body: `${item.body ?? ''}${' long'.repeat(200)}` },
    ]),
  );

  it.each(['within a process', 'over a queue'])('leads to smaller calls: %s', async (where) => {
    await putProject(bench.database.redis, 'p1', LONG);
    // 100 of these texts are 26,000 tokens.
    const { embedder, gemini } = await geminis.of({ tokensPerMinute: 9_000, speed: 6_000 });
    const run = where === 'over a queue' ? await bench.runQueued(P1, { embedder }) : await bench.run(P1, { embedder });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    await expectIndex(bench, 'p1', LONG);
    for (const item of Object.values(LONG)) expect(gemini.timesEmbedded(textOf(item))).toBe(1);
  });

  it('continues over a queue from where a limit ended the last try, even if a batch exceeds the limit of a minute', async () => {
    await putProject(bench.database.redis, 'p1', LONG);
    let open = 7;
    bench.gemini.setFaults({
      call: ({ index, texts }) => (index > 0 && (texts.length > 4 || open-- <= 0) ? 'rate-limit' : null),
    });
    const run = await bench.runQueued(P1, {}, (waiting) => {
      open = 7;
      return waiting.splice(0, 1);
    });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    await expectIndex(bench, 'p1', LONG);
    for (const item of Object.values(LONG)) expect(bench.gemini.timesEmbedded(textOf(item))).toBe(1);
  });
});

describe('a refusal of a service', () => {
  it('by the daily quota of the index makes the run wait, as the quota of the embedder does', async () => {
    await putProject(bench.database.redis, 'p1', someItems(350));
    let upserts = 0;
    const body = '{"error":"Exceeded daily write limit: 10000","status":429}';
    bench.index.setFaults({
      reject: { status: 429, body, hits: ({ endpoint }) => endpoint === 'upsert' && upserts++ >= 2 },
    });
    const engine = bench.engine({ settings: { inline: 0, patience: false } });
    const id = await bench.start(engine, { ...P1, mode: 'flush' });
    await engine.enqueue(id);
    const workOff = async (): Promise<void> => {
      for (let next = bench.queue.take(); next !== null; next = bench.queue.take())
        await engine.deliver(next, bench.budget());
    };
    await workOff();
    const asleep = await bench.load(id);
    expect(asleep).toMatchObject({ state: 'waiting', error: { code: 'vector-quota' } });
    bench.index.setFaults({ reject: null });
    bench.clock.advance(Date.parse(asleep.resumeAt ?? '') - bench.clock.now() + 1000);
    await engine.work(id, bench.budget());
    await workOff();
    expect(await bench.load(id)).toMatchObject({ state: 'succeeded', error: null });
    await expectIndex(bench, 'p1', someItems(350));
  });

  it.each(['in-place', 'flush', 'missing'] as const)(
    'of one namespace is reported, and the others are re-indexed (%s)',
    async (mode) => {
      for (const project of ['p1', 'p2', 'p3']) await putProject(bench.database.redis, project, someItems(120));
      bench.index.setFaults({ refuseNamespace: (namespace) => namespace === 'p2' });
      const run = await bench.run({ mode });
      expect(run).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
      expect(run.error?.message).toContain('project p2');
      for (const project of ['p1', 'p3']) await expectIndex(bench, project, someItems(120));
      bench.index.setFaults({ refuseNamespace: () => false });
      expect(await bench.run({ scope: { project: 'p2' } })).toMatchObject({ state: 'succeeded' });
    },
  );

  it.each(['flush', 'in-place'] as const)(
    'by denying the token for one namespace is reported, and denying it for all fails the run (%s)',
    async (mode) => {
      for (const project of ['p1', 'p2', 'p3']) await putProject(bench.database.redis, project, someItems(20));
      const deny = (isMet: (namespace: string) => boolean): void =>
        bench.index.setFaults({
          reject: { status: 403, hits: ({ endpoint, namespace }) => endpoint !== 'info' && isMet(namespace) },
        });
      deny(() => true);
      expect(await bench.run({ mode })).toMatchObject({ state: 'failed', error: { code: 'vector-denied' } });
      deny((namespace) => namespace === 'p2');
      const run = await bench.run({ mode });
      expect(run).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
      expect(run.error?.message).toContain('project p2 (Upstash Vector did not accept the token (HTTP 403)');
      for (const project of ['p1', 'p3']) await expectIndex(bench, project, someItems(20));
    },
  );

  it('of one vector is reported, and the rest of the batch is written', async () => {
    await putProject(bench.database.redis, 'p1', someItems(120));
    const isBad = (body: unknown): boolean => JSON.stringify(body).includes('"item-007"');
    bench.index.setFaults({
      reject: { status: 400, hits: ({ endpoint, body }) => endpoint === 'upsert' && isBad(body) },
    });
    const run = await bench.run(P1);
    expect(run).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
    expect(reportOf(run).skipped.named).toEqual([{ project: 'p1', id: 'item-007', reason: 'index-refused' }]);
    expect((await storedIn(bench.ports.vectors, 'p1')).size).toBe(119);
  });

  it.each([500, 503] as const)('of one text by the embedder, with status %s, is reported', async (status) => {
    await putProject(bench.database.redis, 'p1', someItems(120));
    const bad = textOf(someItems(120)['item-050'] ?? {});
    bench.gemini.setFaults({ call: ({ texts }) => (texts.includes(bad) ? status : null) });
    const run = await bench.run(P1);
    expect(run).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
    expect(reportOf(run).skipped.named).toEqual([{ project: 'p1', id: 'item-050', reason: 'embedder-failed' }]);
    expect((await storedIn(bench.ports.vectors, 'p1')).size).toBe(119);
  });
});

describe('an index that takes minutes to show its writes', () => {
  /** One write becomes visible per poll: 200 polls, more than three minutes. */
  function slowIndex(): VectorIndex {
    const { index, ports } = bench;
    index.setIndexAtOnce(0);
    return {
      ...ports.vectors,
      info: () => {
        index.setIndexAtOnce(1);
        return ports.vectors.info().finally(() => index.setIndexAtOnce(0));
      },
    };
  }

  it('is waited for as long as the number of pending writes falls', async () => {
    await putProject(bench.database.redis, 'p1', someItems(200));
    const vectors = slowIndex();
    const run = await bench.run(P1, { vectors });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(reportOf(run).proof).toMatchObject({ pending: 0, sampleFound: 10 });
  });

  it('is waited for over a queue, in as many attempts as necessary', async () => {
    await putProject(bench.database.redis, 'p1', someItems(200));
    const vectors = slowIndex();
    const run = await bench.runQueued(P1, { vectors, attemptMs: 30_000 });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(bench.gemini.textsEmbedded()).toBe(201);
  });

  it('and then makes no progress for hours makes the run wait, and is proven later', async () => {
    await putProject(bench.database.redis, 'p1', someItems(30));
    bench.index.setIndexDelayMs(Infinity);
    const engine = bench.engine({ settings: { inline: 0, patience: false } });
    const id = await bench.start(engine, P1);
    await engine.enqueue(id);
    const workOff = async (): Promise<void> => {
      for (let next = bench.queue.take(); next !== null; next = bench.queue.take())
        await engine.deliver(next, bench.budget());
    };
    await workOff();
    expect(await bench.load(id)).toMatchObject({ state: 'waiting', phase: 'prove', error: { code: 'vector-pending' } });
    bench.clock.advance(3 * 3_600_000);
    await engine.work(id, bench.budget());
    await workOff();
    expect(await bench.load(id)).toMatchObject({ state: 'waiting', error: { code: 'vector-pending' } });
    expect(await known('p1')).toMatchObject({ provenAt: null, mixed: false });
    bench.index.setIndexDelayMs(0);
    bench.clock.advance(11 * 60_000);
    // The guard does the same for a run whose message was lost.
    await engine.resume(id);
    await workOff();
    expect(await bench.load(id)).toMatchObject({ state: 'succeeded', error: null });
    expect(await known('p1')).toMatchObject({ provenAt: expect.any(String) });
    expect(bench.gemini.textsEmbedded()).toBe(31);
  });

  it('and makes no progress has lost nothing: nothing has to be embedded again', async () => {
    await putProject(bench.database.redis, 'p1', someItems(30));
    bench.index.setIndexDelayMs(Infinity);
    const run = await bench.run(P1);
    expect(run).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
    expect(run.error?.hint).toContain('Nothing has to be embedded again');
    bench.index.setIndexDelayMs(0);
    const before = bench.gemini.textsEmbedded();
    expect(await known('p1')).toMatchObject({ provenAt: null });
    expect(await bench.retry(run.id)).toMatchObject({ state: 'succeeded' });
    // Only the probe text.
    expect(bench.gemini.textsEmbedded() - before).toBe(1);
    expect(await known('p1')).toMatchObject({ provenAt: expect.any(String) });
  });
});
