import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadMixed, loadWorkspace } from '../../dev/data/index.js';
import { AppError } from '../../lib/errors.js';
import { isOver } from '../../lib/runs/model.js';
import type { Manifest } from '../../lib/snapshot/manifest.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { budgetUntil, openSnapshotBench, type SnapshotBench, type Taken } from '../support/snapshot-bench.js';
import { intercept, ticking } from './intercept.js';
import { contents, recordsByKey } from './lines.js';

const NOTHING_WRONG = { onlyInRedis: 0, onlyInSnapshot: 0, different: 0, examples: [] };
/** Small pages and one request ahead, so that an attempt gets little done. */
const SETTINGS = { pageBytes: 1, inFlight: 1, partBytes: 20_000 };

describe('a snapshot in many attempts', () => {
  let bench: SnapshotBench;
  let keys = 0;
  let one: Taken & { readonly manifest: Manifest };
  beforeAll(async () => {
    bench = await openSnapshotBench();
    const target = { redisUrl: bench.database.url };
    const mixed = await loadMixed({ ...target, keys: 120, seed: 4 });
    keys = mixed.keys + (await loadWorkspace({ ...target, projects: 1, items: 40, seed: 2, locked: false })).keys;
    one = await bench.takeWhole({ settings: SETTINGS });
    expect(one.attempts).toBe(1);
  });
  afterAll(() => bench.stop());

  it.each([0, 1, 7, 20])('holds the same as one taken in one attempt, with %i ms an attempt', async (attemptMs) => {
    const many = await bench.takeWhole({ settings: SETTINGS, redis: ticking(bench), attemptMs });
    expect(many.attempts).toBeGreaterThan(3);
    expect(many.manifest.counts).toEqual(one.manifest.counts);
    expect(many.manifest.ledger).toEqual(one.manifest.ledger);
    expect(many.manifest.doubles).toEqual([]);
    expect(contents(await recordsByKey(bench, many.manifest))).toEqual(
      contents(await recordsByKey(bench, one.manifest)),
    );
    expect(await bench.compare(many.id)).toEqual({ keys, ...NOTHING_WRONG });
    expect((await bench.verify(many.id)).result).toMatchObject({ keys, findings: [] });
  });

  it('adds up the commands and bytes of all attempts', async () => {
    const before = bench.port.usage();
    const { manifest } = await bench.takeWhole({ settings: SETTINGS, redis: ticking(bench), attemptMs: 5 });
    const after = bench.port.usage();
    // The manifest is written by the last attempt after its last request but the DBSIZE that ends each attempt.
    const spent = after.commands - before.commands;
    expect(manifest.spent.commands).toBeLessThanOrEqual(spent);
    expect(manifest.spent.commands).toBeGreaterThan(spent * 0.8);
    expect(manifest.spent.estimatedUsd).toBe(Number((manifest.spent.commands * 0.000002).toFixed(6)));
  });

  it('continues after the database was unreachable for a while, between any two requests', async () => {
    let requests = 0;
    const redis = intercept(bench.port, {
      before: () => {
        if (++requests % 37 !== 0) return null;
        throw new AppError('redis-unavailable', 'away', { hint: 'Wait.', transient: true });
      },
    });
    bench.clock.advance(1000);
    const { id, run } = await takeThroughFaults(bench, { redis, settings: { ...SETTINGS, partBytes: 2000 } });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(await bench.compare(id)).toEqual({ keys, ...NOTHING_WRONG });
    expect((await bench.verify(id)).result).toMatchObject({ keys, findings: [] });
  });
});

/** As the queue does: an attempt that fails is delivered again. */
async function takeThroughFaults(bench: SnapshotBench, parts: Parameters<SnapshotBench['engine']>[0]) {
  const engine = bench.engine(parts);
  const started = await startSnapshot(engine, 'cron');
  if (!started.started) throw new Error('held');
  const { id } = started.run;
  let faults = 0;
  for (;;) {
    try {
      const run = await engine.work(id, budgetUntil(bench.clock.now() + 1000));
      if (!isOver(run)) continue;
      expect(faults).toBeGreaterThan(2);
      return { id, run };
    } catch (error) {
      if (!(error instanceof AppError) || !error.transient) throw error;
      if (++faults > 500) throw error;
    }
  }
}
