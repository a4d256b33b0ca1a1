import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RedisPort } from '../../lib/ports/redis.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { unfinishedOf } from '../../lib/snapshot/unfinished-marks.js';
import { intercept } from '../snapshot/intercept.js';
import { NOW, openRestoreBench, unreachable, type Ask, type RestoreBench } from '../support/restore-bench.js';

const HOUR = 3_600_000;
const WRITES = ['SET', 'MSET', 'MSETNX', 'HSET', 'RENAME', 'RENAMENX'];
/** What is tried on keys that nobody has writes no data. */
const NO_DATA = /lock|:absent:/;

describe('a database that loses its keys between their proof and the end of the restore', () => {
  let bench: RestoreBench;
  let snapshot = '';
  beforeAll(async () => {
    bench = await openRestoreBench();
    const { redis } = bench.database;
    await redis.hset('project:p', { id: 'p', user_id: 'u' });
    await redis.mset('text', 'as it was', 'other', 'as it was');
    await redis.set('brief', 'v', 'PXAT', NOW + 2 * HOUR);
    snapshot = (await bench.snapshot()).id;
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.flushall());

  /** Acts once, after every key was compared and before the first walk or count that follows. */
  function afterProof(act: () => Promise<unknown>): RedisPort {
    let [wrote, proving, done] = [false, false, false];
    return intercept(bench.port, {
      before: async (commands) => {
        const names = commands.map(([name]) => name);
        wrote ||= commands.some(([name, key]) => WRITES.includes(name) && !NO_DATA.test(String(key)));
        proving ||= wrote && names.includes('HPEXPIRETIME');
        if (done || !proving || !names.some((name) => name === 'SCAN' || name === 'DBSIZE')) return null;
        done = true;
        await act();
        return null;
      },
    });
  }

  const marks = async (host: string): Promise<string[]> =>
    (await unfinishedOf(bench.folder.store, sourceOf(host))).map(({ run }) => run);

  it.each<[string, Ask]>([
    ['everything', {}],
    ['one project', { scope: { project: 'p' } }],
    ['everything, mode merge', { mode: 'merge' }],
    ['everything, mode missing', { mode: 'missing' }],
    ['everything, without a safety snapshot', { safety: false }],
    ['a target', { target: 'standby' }],
  ])('is not reported as restored, and stays marked: %s', async (_what, ask) => {
    const redis = afterProof(() => bench.database.redis.flushall());
    const standby = { ...redis, host: 'standby.example' };
    const main = ask.target === undefined ? redis : unreachable(bench.port);
    const run = await bench.restore(snapshot, ask, { redis: main, targets: { standby } });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-proven' } });
    expect(run.error?.message).toContain('it holds 0, and at least');
    expect(run.result).toMatchObject({ gone: { there: 0 }, proof: { total: { missing: 0, different: 0 } } });
    expect(await marks(ask.target === 'standby' ? standby.host : bench.port.host)).toContain(run.id);
  });

  it('may lose keys that expire soon', async () => {
    const redis = afterProof(() => bench.database.redis.del('brief'));
    const run = await bench.restore(snapshot, {}, { redis });
    expect(run).toMatchObject({ state: 'succeeded', error: null, result: { gone: null } });
  });

  it('is detected when every key has a distant expiry', async () => {
    await bench.database.redis.set('session', 'v', 'PXAT', NOW + 240 * HOUR);
    const sessions = (await bench.snapshot()).id;
    await bench.database.redis.flushall();
    const redis = afterProof(() => bench.database.redis.flushall());
    const run = await bench.restore(sessions, {}, { redis });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-proven' }, result: { gone: { proven: 1 } } });
  });
});
