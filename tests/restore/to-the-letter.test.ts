import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { planView } from '../../lib/cli/restore/plan-view.js';
import type { DryRunResult } from '../../lib/restore/result.js';
import { MODES } from '../../lib/restore/model.js';
import type { Plan } from '../../lib/restore/plan.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { fromText } from '../../lib/soulcaster/text.js';
import fc from '../support/fast-check.js';
import { changes } from '../support/dumps.js';
import { batch } from '../support/redis-calls.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { anyDatabaseOf } from './any-database.js';

const anyDatabase = anyDatabaseOf({ fieldExpiry: false });

describe('a restore does what its dry run reported', () => {
  let bench: RestoreBench;
  beforeAll(async () => {
    bench = await openRestoreBench();
  });
  afterAll(() => bench.stop());

  const planOf = (run: RunRecord): Plan => (run.result as unknown as DryRunResult).plan;

  it('exactly, for any two databases, modes and rules', async () => {
    const ask = fc.record({
      mode: fc.constantFrom(...MODES),
      settle: fc.boolean(),
      safety: fc.boolean(),
      expiry: fc.constantFrom('keep', 'shift', 'drop'),
    });
    await fc.assert(
      fc.asyncProperty(anyDatabase, anyDatabase, ask, async (saved, now, asked) => {
        const { redis } = bench.database;
        await redis.flushall();
        await batch(redis, saved.commands);
        const { id } = await bench.snapshot();
        await redis.flushall();
        await batch(redis, now.commands);
        const before = await bench.dump();
        const dry = await bench.restore(id, { ...asked, dryRun: true });
        expect(dry).toMatchObject({ state: 'succeeded', error: null });
        expect(await bench.dump()).toEqual(before);
        const run = await bench.restore(id, asked);
        expect(run).toMatchObject({ state: 'succeeded', error: null });
        expect(planOf(run)).toEqual(planOf(dry));
        const after = await bench.dump();
        const changed = changes(before, after);
        const { total, examples } = planOf(dry);
        const those = (is: (key: string) => boolean): number => changed.filter(is).length;
        expect({
          write: those((key) => !Object.hasOwn(before, key)),
          overwrite: those((key) => Object.hasOwn(before, key) && Object.hasOwn(after, key)),
          remove: those((key) => !Object.hasOwn(after, key)),
        }).toEqual({ write: total.write, overwrite: total.overwrite + total.fail, remove: total.remove });
        for (const { action, key } of examples) {
          const name = fromText(key as never).toString('latin1');
          expect([action, changed.includes(name)]).toEqual([action, action !== 'keep' && action !== 'blocked']);
        }
      }),
      { numRuns: 8 },
    );
  });

  it('gives the reason, and counts failed work separately', async () => {
    const { redis } = bench.database;
    await redis.flushall();
    await redis.hset('project:p', 'id', 'p', 'name', 'P');
    for (let at = 0; at < 7; at++) await redis.hset(`job:j${at}`, 'project_id', 'p', 'status', 'running');
    await redis.hset('cluster:p:c', 'id', 'c', 'status', 'fixing');
    await redis.hset('job:done', 'project_id', 'p', 'status', 'succeeded');
    const { id } = await bench.snapshot();
    const dry = await bench.restore(id, { settle: null, dryRun: true });
    expect(planOf(dry)).toMatchObject({
      total: { fail: 8, overwrite: 0, same: 2 },
      failsWork: { job: 7, cluster: 1 },
    });
    const text = planView(dry.result as unknown as DryRunResult);
    expect(text).toMatch(/^The database .* already equals the snapshot: nothing would change except jobs in flight\./);
    expect(text).toContain('1 cluster that was being fixed becomes failed, 7 jobs that were running become failed');

    await redis.hset('job:j0', 'logs', 'more');
    await redis.pexpireat('job:done', bench.clock.now() + 1_000_000);
    const later = planOf(await bench.restore(id, { settle: null, dryRun: true }));
    expect(later).toMatchObject({
      total: { fail: 7, overwrite: 2 },
      reasons: { job: { value: 1, expiry: 1 } },
      failsWork: { job: 7, cluster: 1 },
    });
    const run = await bench.restore(id, { settle: null });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(planOf(run)).toEqual(later);
    expect(await redis.hget('job:j3', 'status')).toBe('failed');
  });
});
