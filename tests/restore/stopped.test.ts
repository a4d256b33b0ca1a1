import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import type { RedisCommand } from '../../lib/ports/redis.js';
import type { Mode } from '../../lib/restore/model.js';
import { intercept } from '../snapshot/intercept.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

const LISTS = 450;
const WRITES = new Set(['SET', 'MSET', 'SADD', 'SREM', 'ZADD', 'UNLINK', 'RENAME', 'PEXPIRE', 'PERSIST', 'EVAL']);
/** To give back a lock that is its own harms nobody. */
const isWrite = ([name, , , key]: RedisCommand): boolean =>
  WRITES.has(name) && !(name === 'EVAL' && String(key).startsWith('cluster:lock:'));
const isLock = ([, key]: RedisCommand): boolean => String(key).startsWith('cluster:lock:');

describe('a restore that is stopped', () => {
  let bench: RestoreBench;
  let snapshot = '';
  const lists = Array.from({ length: LISTS }, (_, at) => `cluster:p1:c${at}:items`);
  beforeAll(async () => {
    bench = await openRestoreBench();
    const { redis } = bench.database;
    const fill = redis.pipeline().hset('project:p1', 'id', 'p1');
    for (const [at, key] of lists.entries()) {
      fill.sadd(key, `a${at}`, `b${at}`).set(`value:${at}`, 'v'.repeat(1000));
    }
    await fill.exec();
    snapshot = (await bench.snapshot()).id;
  });
  afterAll(() => bench.stop());

  /** Every list lacks a member, every second one has a member of its neighbour's; values differ; 600 keys are extra. */
  const change = async (): Promise<void> => {
    const batch = bench.database.redis.pipeline();
    for (const [at, key] of lists.entries()) {
      batch.srem(key, `a${at}`).sadd(key, `b${at}`).set(`value:${at}`, 'changed');
      if (at % 2 === 0) batch.smove(lists[at + 1] ?? '', key, `b${at + 1}`);
    }
    for (let at = 0; at < 600; at++) batch.set(`extra:${at}`, 'v');
    await batch.exec();
  };

  it.each<[string, Mode, (command: RedisCommand) => boolean]>([
    ['takes the locks', 'merge', (command) => command[0] === 'SET' && isLock(command)],
    ['writes values', 'replace', ([name]) => name === 'MSET'],
    ['unites lists', 'merge', ([name]) => name === 'SADD'],
    ['moves members', 'merge', ([name]) => name === 'SREM'],
    ['removes keys', 'replace', ([name, key]) => name === 'UNLINK' && String(key).startsWith('extra:')],
  ])('sends nothing more when it %s', async (_, mode, isBegun) => {
    await change();
    const stop = new AbortController();
    const late: RedisCommand[] = [];
    const redis = intercept(bench.port, {
      before: (commands) => {
        if (stop.signal.aborted) late.push(...commands.filter(isWrite));
        else if (commands.some(isBegun)) stop.abort(new AppError('interrupted', 'told to stop', { hint: 'None.' }));
        return null;
      },
    });
    const parts = { redis, interrupt: stop.signal, inline: 1 };
    const started = await bench.start(snapshot, { mode, safety: false }, parts);
    const id = started.started ? started.run.id : '';
    expect(await bench.work(id, parts)).toMatchObject({ state: 'failed', error: { code: 'interrupted' } });
    expect(stop.signal.aborted).toBe(true);
    expect(late).toEqual([]);
  });

  it('completes when the time of every attempt is up before it begins', async () => {
    await change();
    const late = { deadline: 0, inline: 1, settings: { partBytes: 100_000 } };
    const run = await bench.restore(snapshot, { mode: 'replace' }, late);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(run.attempts).toBeGreaterThan(20);
    expect(await bench.compare(snapshot)).toMatchObject({ different: 0, onlyInRedis: 0, onlyInSnapshot: 0 });
  });
});
