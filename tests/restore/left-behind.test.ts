import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import type { RedisCommand } from '../../lib/ports/redis.js';
import { cancelRun } from '../../lib/runs/engine.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { unfinishedOf } from '../../lib/snapshot/unfinished-marks.js';
import { intercept } from '../snapshot/intercept.js';
import { openRestoreBench, type Ask, type RestoreBench } from '../support/restore-bench.js';

describe('the record of a restore that broke off', () => {
  let bench: RestoreBench;
  let snapshot = '';
  beforeAll(async () => {
    bench = await openRestoreBench();
    await bench.database.redis.hset('project:p1', 'id', 'p1');
    await bench.database.redis.mset('feedback:external:p1:a:b', 'x', 'value', 'old');
    snapshot = (await bench.snapshot()).id;
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.set('value', 'new'));

  const marks = async () => (await unfinishedOf(bench.folder.store, sourceOf(bench.port.host))).map(({ run }) => run);
  const isLock = ([name, key]: RedisCommand): boolean => name === 'SET' && String(key).startsWith('cluster:lock:');
  const isWrite = ([name]: RedisCommand): boolean => name === 'MSET';

  /** A restore to which something happens before the database is sent a command of a kind. */
  async function brokenOff(
    at: (command: RedisCommand) => boolean,
    act: (run: string, stop: AbortController) => unknown,
    ask: Ask = {},
  ): Promise<RunRecord> {
    const stop = new AbortController();
    let [run, done] = ['', false];
    const redis = intercept(bench.port, {
      async before(commands) {
        if (done || run === '' || !commands.some(at)) return null;
        done = true;
        await act(run, stop);
        return null;
      },
    });
    const parts = { redis, interrupt: stop.signal, inline: 1 };
    const started = await bench.start(snapshot, ask, parts);
    if (started.started) run = started.run.id;
    const ended = await bench.work(run, parts);
    expect(done).toBe(true);
    return ended;
  }
  const interrupt = (_run: string, stop: AbortController): void =>
    stop.abort(new AppError('interrupted', 'told to stop', { hint: 'None.' }));
  const cancel = (run: string) => cancelRun(bench.engine(), run);

  it.each([
    ['interrupted', interrupt],
    ['cancelled', cancel],
  ])('by being %s while it wrote names the command that finishes it and the one that undoes it', async (code, act) => {
    const run = await brokenOff(isWrite, act);
    expect(run).toMatchObject({ state: 'failed', error: { code } });
    expect(run.error?.hint).toContain('the data are partly old and partly restored');
    expect(run.error?.hint).toContain(`\`npx soulcaster-backup restore ${snapshot} --env-file .env --no-settle\``);
    expect(run.error?.hint).toContain(`To undo it: \`npx soulcaster-backup restore ${run.id} --env-file .env\``);
    expect(run.error?.hint).not.toMatch(/nothing half-done|soulcaster-backup run/);
    expect(await marks()).toContain(run.id);
    await bench.restore(snapshot);
    expect(await marks()).toEqual([]);
  });

  it('says that nothing undoes it where nothing was saved', async () => {
    const run = await brokenOff(isWrite, interrupt, { safety: false });
    expect(run.error?.hint).toContain('To undo it: not possible: the previous state was not saved (--no-safety)');
    await bench.restore(snapshot);
  });

  it.each([
    ['interrupted', interrupt],
    ['cancelled', cancel],
  ])('by being %s while it took the locks tells of nothing, and the database is not marked', async (code, act) => {
    const run = await brokenOff(isLock, act, { scope: { project: 'p1' } });
    expect(run).toMatchObject({ state: 'failed', phase: 'fence', error: { code } });
    expect(run.error?.hint).not.toContain('partly old');
    expect(await marks()).toEqual([]);
    expect((await bench.snapshot()).doubts ?? []).toEqual([]);
  });
});
