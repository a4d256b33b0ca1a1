import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { cancelRun } from '../../lib/runs/engine.js';
import { CONFIRM_MS } from '../../lib/runs/attempt.js';
import type { RedisCommand } from '../../lib/ports/redis.js';
import type { Mode } from '../../lib/restore/model.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { intercept } from '../snapshot/intercept.js';

/** Large enough that the keys go in many requests. */
const VALUE = 'v'.repeat(50_000);
/** Requests that a task may have under way beside the one at which the run is ended. */
const UNDER_WAY = 2;
const WRITES = /^(SET|MSET|RESTORE|HSET|ZADD|SADD|RENAME|RENAMENX|UNLINK|DEL|EVAL|MULTI|RPUSH)$/;

let bench: RestoreBench;
beforeEach(async () => (bench = await openRestoreBench()));
afterEach(() => bench.stop());

const isWrite = (commands: readonly RedisCommand[]): boolean => commands.some(([name]) => WRITES.test(name));

/** What a restore was about to do when its run was ended elsewhere, once for each way in which it writes. */
it.each<[string, number, Mode, RegExp]>([
  ['writes keys', 200, 'replace', /^MSET$/],
  ['removes keys', 5000, 'replace', /^UNLINK$/],
  ['unites lists', 1500, 'merge', /^SADD$/],
])('a restore that %s sends nothing more once another process has ended its run', async (what, count, mode, at) => {
  const { redis } = bench.database;
  const all = async (change: (pipeline: ReturnType<typeof redis.pipeline>, n: number) => unknown): Promise<void> => {
    const pipeline = redis.pipeline();
    for (let n = 0; n < count; n++) change(pipeline, n);
    await pipeline.exec();
  };
  if (what === 'writes keys') await all((pipeline, n) => pipeline.set(`k:${n}`, `${VALUE}${n}`));
  if (what === 'unites lists') await all((pipeline, n) => pipeline.sadd(`feedback:p${n}:unclustered`, `item-${n}`));
  await redis.set('stays', 'v');
  const { id } = await bench.snapshot();
  if (what === 'writes keys') await all((pipeline, n) => pipeline.set(`k:${n}`, 'newer'));
  if (what === 'unites lists') await all((pipeline, n) => pipeline.srem(`feedback:p${n}:unclustered`, `item-${n}`));
  if (what === 'removes keys') await all((pipeline, n) => pipeline.set(`new:${n}`, 'v'));
  let [begun, ended] = [false, false];
  let after = 0;
  const port = intercept(bench.port, {
    async before(commands) {
      if (ended && isWrite(commands)) after += 1;
      if (!begun && run !== '' && commands.some(([name]) => at.test(name))) {
        begun = true;
        await cancelRun(bench.engine(), run);
        // As for a process that stood still meanwhile.
        bench.clock.advance(CONFIRM_MS);
        ended = true;
      }
      return null;
    },
  });
  let run = '';
  const parts = { redis: port, inline: 1 };
  const started = await bench.start(id, { mode }, parts);
  if (!started.started) throw new Error('not started');
  run = started.run.id;
  expect(await bench.work(run, parts)).toMatchObject({ state: 'failed', error: { code: 'cancelled' } });
  expect(ended).toBe(true);
  expect(after).toBeLessThanOrEqual(UNDER_WAY);
});
