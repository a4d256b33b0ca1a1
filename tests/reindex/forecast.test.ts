import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { batchesPerMinute, batchSize } from '../../lib/reindex/context.js';
import { forecast } from '../../lib/reindex/forecast.js';
import type { Embedder } from '../../lib/ports/embedder.js';
import { openReindexBench, type ReindexBench } from './bench.js';
import { expectIndex, leaveVector, putProject, someItems } from './data.js';
import { storedIn } from './outcome.js';

const NONE = { textsPerMinute: Infinity, tokensPerMinute: Infinity, textsPerDay: Infinity, updatesPerDay: Infinity };
const UNKNOWN = { textsPerMinute: null, tokensPerMinute: null, textsPerDay: null, updatesPerDay: null };

describe('the forecast by limits', () => {
  it.each([
    [{ texts: 2_500 }, { textsPerDay: 1_000 }, 3, 'textsPerDay'],
    [{ updates: 20_001 }, { updatesPerDay: 10_000 }, 3, 'updatesPerDay'],
    [{ tokens: 30_000 * 1_440 * 2 }, { tokensPerMinute: 30_000 }, 2, 'tokensPerMinute'],
    [{ texts: 100 * 1_440 * 4 }, { textsPerMinute: 100 }, 4, 'textsPerMinute'],
    [{ texts: 1_000_000, tokens: 1e9, updates: 1_000_000 }, {}, 1, expect.anything()],
  ])('%j with %j is %i days, by %s', (need, limits, days, slowest) => {
    const result = forecast({ texts: 0, tokens: 0, updates: 0, ...need }, { ...NONE, ...limits });
    expect(result).toMatchObject({ days, assumed: [] });
    if (days > 1) expect(result.slowest).toBe(slowest);
  });

  it('uses the free plans if a limit is not known', () => {
    const result = forecast({ texts: 1_001, tokens: 1, updates: 1_001 }, UNKNOWN);
    expect(result).toMatchObject({
      days: 2,
      slowest: 'textsPerDay',
      limits: { textsPerDay: 1_000, updatesPerDay: 10_000 },
    });
    expect(result.assumed).toHaveLength(4);
  });

  it('limits batches by tokens per minute, and computes batches per minute', () => {
    const embedder = (limits: object) =>
      ({
        maxBatch: 100,
        maxTextTokens: 2048,
        limits: { textsPerMinute: null, tokensPerMinute: null, ...limits },
      }) as Embedder;
    const cut = { cutCodePoints: 1_500 };
    expect([batchSize(embedder({}), cut), batchesPerMinute(embedder({}), cut)]).toEqual([100, null]);
    expect([batchSize(embedder({ textsPerMinute: 3_000 }), cut)]).toEqual([100]);
    expect(batchesPerMinute(embedder({ textsPerMinute: 3_000 }), cut)).toBe(30);
    // A text of 1,600 characters is 400 tokens.
    expect(batchSize(embedder({ tokensPerMinute: 30_000 }), cut)).toBe(75);
    expect(batchesPerMinute(embedder({ tokensPerMinute: 30_000 }), cut)).toBe(1);
    expect(batchSize(embedder({ tokensPerMinute: 100 }), cut)).toBe(1);
  });
});

describe('a flush that would take days', () => {
  let bench: ReindexBench;
  const ITEMS = someItems(30);
  const FLUSH = { scope: { project: 'p1' }, mode: 'flush' } as const;

  beforeEach(async () => {
    bench = await openReindexBench();
    await putProject(bench.database.redis, 'p1', ITEMS);
    await leaveVector(bench, 'p1', 'old');
  });
  afterEach(() => bench.stop());

  it.each([
    ['the embedder', { textsPerDay: 20 }, null],
    ['the index', {}, 20],
  ])(
    'by the limit of %s is refused before anything is cleared, unless it is confirmed',
    async (_, limits, updatesPerDay) => {
      const embedder = { ...bench.ports.embedder, limits: { ...bench.ports.embedder.limits, ...limits } };
      const parts = { embedder, settings: { updatesPerDay: updatesPerDay ?? Infinity } };
      const dry = await bench.run({ ...FLUSH, dryRun: true }, parts);
      expect(dry).toMatchObject({ state: 'succeeded', result: { forecast: { days: 2 } } });
      const run = await bench.run(FLUSH, parts);
      expect(run).toMatchObject({ state: 'failed', error: { code: 'not-confirmed' } });
      expect(run.error?.hint).toContain('--yes-over-days');
      expect([...(await storedIn(bench.ports.vectors, 'p1')).keys()]).toEqual(['old']);
      expect(await bench.database.redis.exists('cluster:lock:p1')).toBe(0);
      // In place search continues, however long it takes.
      expect(await bench.run({ ...FLUSH, mode: 'in-place' }, parts)).toMatchObject({ state: 'succeeded' });
      expect(await bench.run({ ...FLUSH, overDays: true }, parts)).toMatchObject({ state: 'succeeded', error: null });
      await expectIndex(bench, 'p1', ITEMS);
    },
  );
});
