import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { upstashVector } from '../../lib/services/upstash-vector/index.js';
import { systemClock } from '../../lib/services/clock.js';
import { startUpstashVector } from '../../dev/upstash-vector/index.js';
import { prepareReindex } from '../../lib/reindex/start.js';
import { openReindexBench, type ReindexBench } from './bench.js';
import { expectIndex, leaveVector, putProject, someItems } from './data.js';
import { reportOf, storedIn } from './outcome.js';
import { wrapEmbedder } from './wrap.js';

let bench: ReindexBench;

beforeEach(async () => {
  bench = await openReindexBench();
  await putProject(bench.database.redis, 'p1', ITEMS);
  await leaveVector(bench, 'p1', 'item-001');
});

afterEach(() => bench.stop());

const ITEMS = someItems(150);
const FLUSH = { scope: { project: 'p1' }, mode: 'flush' } as const;
const REQUEST = { ...FLUSH, dryRun: false, trigger: 'admin' } as const;

async function expectUntouched(): Promise<void> {
  expect([...(await storedIn(bench.ports.vectors, 'p1')).keys()]).toEqual(['item-001']);
  expect(bench.index.requestCount('reset')).toBe(0);
}

describe('before anything is cleared, the run finds', () => {
  it.each(['p2', 'p1:x', 'created', '*'])('that there is no project %s', async (project) => {
    const request = { ...REQUEST, scope: { project } };
    await expect(prepareReindex(bench.ports, request)).rejects.toMatchObject({ code: 'not-found' });
    await expectUntouched();
  });

  it.each([
    { dimensions: 512, metric: 'COSINE' },
    { dimensions: 768, metric: 'EUCLIDEAN' },
  ] as const)('that the index has another dimension or metric: %o', async (options) => {
    const other = await startUpstashVector(options);
    try {
      const vectors = upstashVector({ url: other.url, token: other.token, clock: systemClock() });
      await expect(prepareReindex({ ...bench.ports, vectors }, REQUEST)).rejects.toMatchObject({
        code: 'vector-mismatch',
      });
      const run = await bench.run(FLUSH, { vectors });
      expect(run).toMatchObject({ state: 'failed', phase: 'preflight', error: { code: 'vector-mismatch' } });
      expect(other.requestCount('reset')).toBe(0);
    } finally {
      await other.stop();
    }
  });

  it.each(['nan', 'zero', 'short'] as const)('that the embedder returns no usable vectors: %s', async (fault) => {
    bench.gemini.setFaults({ vector: () => fault });
    expect(await bench.run(FLUSH)).toMatchObject({ state: 'failed', error: { code: 'embedder-refused' } });
    await expectUntouched();
  });

  it('that the embedder denies access', async () => {
    bench.gemini.setFaults({ call: () => 'denied' });
    expect(await bench.run(FLUSH)).toMatchObject({ state: 'failed', error: { code: 'embedder-denied' } });
    await expectUntouched();
  });

  it('that another run is in progress', async () => {
    const engine = bench.engine();
    const first = await bench.start(engine, FLUSH);
    await expect(bench.start(engine, FLUSH)).rejects.toThrow(`held by ${first}`);
    await bench.start(engine, { ...FLUSH, dryRun: true });
    await expectUntouched();
  });
});

describe('an embedder within one process', () => {
  it.each([
    ['rate-limit', 17_000],
    ['rate-limit-bare', 5_000],
  ] as const)('that limits the rate is waited for: %s', async (fault, ms) => {
    // A call is halved down to one text before any wait.
    bench.gemini.setFaults({ call: ({ index }) => (index >= 1 && bench.clock.slept.length === 0 ? fault : null) });
    // One task at a time: the clock adds up concurrent waits, and a lease lasts a minute.
    const run = await bench.run(FLUSH, { settings: { inline: 1 } });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(bench.clock.slept).toContain(ms);
    await expectIndex(bench, 'p1', ITEMS);
  });

  it('whose daily quota is used up ends the run, which releases its locks', async () => {
    const held: Promise<number>[] = [];
    const locks = (): Promise<number> => bench.database.redis.exists('cluster:lock:p1');
    bench.gemini.setFaults({
      call({ index }) {
        if (index < 2) return null;
        held.push(locks());
        return 'daily-quota';
      },
    });
    const engine = bench.engine({ settings: { inline: 1 } });
    const id = await bench.start(engine, FLUSH);
    const run = await engine.work(id, bench.budget(Infinity, true));
    expect(run).toMatchObject({ state: 'failed', error: { code: 'embedder-quota' } });
    expect([await held[0], await locks()]).toEqual([1, 0]);
    expect(await bench.start(engine, FLUSH)).not.toBe(id);
  });

  it('that returns too few vectors fails the attempt, and the next attempt succeeds', async () => {
    let short = 2;
    const embedder = wrapEmbedder(bench.ports.embedder, (_, call) => (call > 0 && short-- > 0 ? [] : null));
    const engine = bench.engine({ embedder, settings: { inline: 1 } });
    const id = await bench.start(engine, FLUSH);
    await expect(engine.work(id, bench.budget())).rejects.toMatchObject({
      code: 'embedder-unavailable',
      transient: true,
    });
    const run = await engine.work(id, bench.budget());
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    await expectIndex(bench, 'p1', ITEMS);
  });
});

describe('an index that is slow, or loses vectors', () => {
  it('is waited for until nothing is pending', async () => {
    bench.index.setIndexDelayMs(60);
    const run = await bench.run(FLUSH);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(reportOf(run).proof).toMatchObject({ pending: 0, sampled: 10, sampleFound: 10 });
  });

  it('that never indexes anything fails the proof', async () => {
    bench.index.setIndexDelayMs(Infinity);
    const run = await bench.run(FLUSH);
    expect(run).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
    expect(reportOf(run).proof).toMatchObject({ pending: 150, sampleFound: 0, missing: 0 });
  });

  it('that still has pending writes is not proven, even if the sample is found', async () => {
    const { vectors } = bench.ports;
    const pending = async () => {
      const info = await vectors.info();
      const spaces = Object.entries(info.namespaces).map(([name, one]) => [name, { ...one, pending: 40 }]);
      return { ...info, namespaces: Object.fromEntries(spaces) as typeof info.namespaces };
    };
    const run = await bench.run(FLUSH, { vectors: { ...vectors, info: pending } });
    expect(reportOf(run).proof).toMatchObject({ pending: 40, sampled: 10, sampleFound: 10 });
    expect(run).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
    expect(run.error?.message).toContain('40 writes pending');
  });

  it('that lost or changed vectors is written again', async () => {
    let upserts = 0;
    const vectors = {
      ...bench.ports.vectors,
      async upsert(...[namespace, items]: Parameters<typeof bench.ports.vectors.upsert>) {
        await bench.ports.vectors.upsert(namespace, items);
        if (upserts++ > 0) return;
        await bench.ports.vectors.remove(namespace, [items[0]?.id ?? '']);
        for (const { id } of items.slice(1, 3)) await leaveVector(bench, namespace, id, ITEMS[id]?.title);
      },
    };
    const run = await bench.run(FLUSH, { vectors });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(reportOf(run)).toMatchObject({ again: 3, embedded: 150 });
    await expectIndex(bench, 'p1', ITEMS);
  });

  it('that never keeps one vector fails the proof with the number of such vectors', async () => {
    const vectors = {
      ...bench.ports.vectors,
      upsert: (...[namespace, items]: Parameters<typeof bench.ports.vectors.upsert>) =>
        bench.ports.vectors.upsert(
          namespace,
          items.filter(({ id }) => id !== 'item-077'),
        ),
    };
    const run = await bench.run(FLUSH, { vectors });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-proven' } });
    expect(reportOf(run).proof).toMatchObject({ missing: 1, wrong: 1 });
  });
});
