import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { missingTasks } from '../../lib/runs/markers.js';
import { mortalStore, newLife } from '../monitoring/world/parts.js';
import { openReindexBench, type ReindexBench } from './bench.js';
import { expectIndex, leaveVector, putProject, someItems, textOf } from './data.js';
import { reportOf } from './outcome.js';
import { isItems, wrapEmbedder } from './wrap.js';

let bench: ReindexBench;

beforeEach(async () => {
  bench = await openReindexBench();
  await putProject(bench.database.redis, 'p1', ITEMS, CLUSTERS);
});

afterEach(() => bench.stop());

const SCOPE = { scope: { project: 'p1' } } as const;
const ITEMS = someItems(420);
const CLUSTERS = { c1: ['item-000', 'item-001'], c2: ['item-002'] };
const CLUSTER_OF = { 'item-000': 'c1', 'item-001': 'c1', 'item-002': 'c2' };
const QUEUED = { settings: { inline: 0, patience: false } } as const;

/** Completes a started run, message by message; failed messages are delivered again. */
async function workOff(engine: ReturnType<ReindexBench['engine']>, id: string): Promise<void> {
  await engine.enqueue(id);
  for (let body = bench.queue.take(); body !== null; body = bench.queue.take()) {
    await engine.deliver(body, bench.budget());
  }
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}

describe('re-indexing over a queue', () => {
  it('embeds each text once', async () => {
    const run = await bench.runQueued(SCOPE);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(reportOf(run)).toMatchObject({ embedded: 420, calls: 6 });
    await expectIndex(bench, 'p1', ITEMS, CLUSTER_OF);
    expect([bench.gemini.textsEmbedded(), bench.gemini.distinctTexts()]).toEqual([421, 421]);
  });

  it('tolerates messages that are delivered twice, in disorder and late', async () => {
    const seen: string[] = [];
    const run = await bench.runQueued(SCOPE, {}, (waiting) => {
      const [body = ''] = waiting.splice(Math.floor(Math.random() * waiting.length), 1);
      seen.push(body);
      // Every message is delivered twice, and an earlier one once more.
      return [body, body, seen[Math.floor(Math.random() * seen.length)] ?? body];
    });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(reportOf(run)).toMatchObject({ embedded: 420, skipped: { count: 0 } });
    await expectIndex(bench, 'p1', ITEMS, CLUSTER_OF);
    expect(bench.gemini.timesEmbedded(textOf(ITEMS['item-100'] ?? {}))).toBe(1);
  });

  it('continues after functions that died before or after their vectors were written', async () => {
    let deaths = 0;
    const dyingEmbedder = wrapEmbedder(bench.ports.embedder, (texts) =>
      isItems(texts) && deaths++ === 0 ? never() : null,
    );
    const dyingStore = {
      ...bench.ports.store,
      create: (name: string, body: Uint8Array) =>
        name.includes('/tasks/embed-') && deaths++ === 1 ? never() : bench.ports.store.create(name, body),
    };
    const engine = bench.engine(QUEUED);
    const mortals = [
      bench.engine({ ...QUEUED, embedder: dyingEmbedder }),
      bench.engine({ ...QUEUED, store: dyingStore }),
    ];
    const id = await bench.start(engine, SCOPE);
    await engine.enqueue(id);
    const left: string[] = [];
    for (let body = bench.queue.take(); body !== null; body = bench.queue.take()) {
      const isTask = body.includes('"phase":"embed"');
      const mortal = isTask ? mortals.shift() : undefined;
      if (mortal === undefined) await engine.deliver(body, bench.budget());
      else {
        left.push(body);
        void mortal.deliver(body, bench.budget());
        while (deaths < 3 - mortals.length - 1) await new Promise((wake) => setTimeout(wake, 5));
      }
    }
    expect(left).toHaveLength(2);
    for (const body of left) await engine.deliver(body, bench.budget());
    for (let body = bench.queue.take(); body !== null; body = bench.queue.take())
      await engine.deliver(body, bench.budget());
    expect(await bench.load(id)).toMatchObject({ state: 'succeeded', error: null });
    await expectIndex(bench, 'p1', ITEMS, CLUSTER_OF);
    expect(bench.gemini.textsEmbedded()).toBe(1 + 420 + 100);
  });

  it('passes a rate limit on with the wait that the service asked for', async () => {
    bench.gemini.setFaults({ call: ({ index }) => (index >= 2 ? 'rate-limit' : null) });
    const engine = bench.engine(QUEUED);
    const id = await bench.start(engine, SCOPE);
    await expect(workOff(engine, id)).rejects.toMatchObject({
      code: 'embedder-limit',
      transient: true,
      retryAfterMs: 17_000,
    });
    expect(await bench.load(id)).toMatchObject({ state: 'running', phase: 'embed' });
  });

  it.each(['rate-limit', 'rate-limit-bare', 'one-short', 'not-json', 'half-reply', 503] as const)(
    'gets past an embedder with faults now and then: %s',
    async (fault) => {
      bench.gemini.setFaults({ call: ({ index }) => (index % 2 === 1 ? fault : null) });
      const run = await bench.runQueued(SCOPE);
      expect(run).toMatchObject({ state: 'succeeded', error: null });
      await expectIndex(bench, 'p1', ITEMS, CLUSTER_OF);
    },
  );

  it('survives an outage of the index, and lost replies', async () => {
    let requests = 0;
    bench.index.setFaults({
      reject: { status: 503, hits: ({ endpoint }) => endpoint === 'upsert' && requests++ < 6 },
      loseReply: ({ endpoint }) => endpoint === 'upsert' && requests++ % 5 === 0,
    });
    const run = await bench.runQueued(SCOPE);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    await expectIndex(bench, 'p1', ITEMS, CLUSTER_OF);
  });

  it('waits until the daily quota is renewed, then continues without embedding anything twice', async () => {
    bench.gemini.setFaults({ call: ({ index }) => (index >= 3 ? 'daily-quota' : null) });
    const engine = bench.engine(QUEUED);
    const id = await bench.start(engine, SCOPE);
    await workOff(engine, id);
    const asleep = await bench.load(id);
    expect(asleep).toMatchObject({ state: 'waiting', phase: 'embed', error: { code: 'embedder-quota' } });
    const calls = bench.gemini.calls();
    expect(await engine.work(id, bench.budget())).toMatchObject({ state: 'waiting' });
    expect(bench.gemini.calls()).toBe(calls);
    bench.gemini.setFaults({ call: () => null });
    bench.clock.advance(Date.parse(asleep.resumeAt ?? '') - bench.clock.now() + 1000);
    await engine.work(id, bench.budget());
    for (let body = bench.queue.take(); body !== null; body = bench.queue.take())
      await engine.deliver(body, bench.budget());
    expect(await bench.load(id)).toMatchObject({ state: 'succeeded', error: null });
    await expectIndex(bench, 'p1', ITEMS, CLUSTER_OF);
    expect(bench.gemini.textsEmbedded()).toBe(421);
  });

  it('clears only once, even if its function dies afterwards', async () => {
    await leaveVector(bench, 'p1', 'stray');
    let calls = 0;
    const embedder = wrapEmbedder(bench.ports.embedder, (texts) => (isItems(texts) && calls++ === 2 ? never() : null));
    const [real, life] = [bench.ports.store, newLife()];
    const writes: Promise<unknown>[] = [];
    const noted = <T>(write: Promise<T>): Promise<T> => {
      writes.push(write.catch(() => undefined));
      return write;
    };
    const store = mortalStore(
      {
        ...real,
        create: (...args) => noted(real.create(...args)),
        swap: (...args) => noted(real.swap(...args)),
      },
      life,
    );
    const first = bench.engine({ settings: { inline: 1 }, embedder, store });
    const id = await bench.start(first, { ...SCOPE, mode: 'flush' });
    void first.work(id, bench.budget());
    const isUnderWay = async (): Promise<boolean> =>
      (await missingTasks(bench.ports.store, id, 'embed', 5)).length === 3 && (await bench.load(id)).progress.done > 0;
    while (calls < 3 || !(await isUnderWay())) await new Promise((wake) => setTimeout(wake, 5));
    expect(bench.index.requestCount('reset')).toBe(1);
    life.die();
    await Promise.all(writes);
    // By then the lease of the dead attempt has expired.
    bench.clock.advance(120_000);
    const run = await bench.engine({ settings: { inline: 1 } }).work(id, bench.budget());
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(bench.index.requestCount('reset')).toBe(1);
    await expectIndex(bench, 'p1', ITEMS, CLUSTER_OF);
    expect(bench.gemini.textsEmbedded()).toBe(421);
  });
});
