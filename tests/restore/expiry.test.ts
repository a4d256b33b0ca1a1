import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import type { Mode } from '../../lib/restore/model.js';
import { atTimeOf, openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

const HOUR = 3_600_000;

describe('keys that expire', () => {
  let bench: RestoreBench;
  let snapshot = '';
  /** End of the snapshot, which the expiries below count from. */
  let taken = 0;
  beforeAll(async () => {
    bench = await openRestoreBench();
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    const { redis } = bench.database;
    await redis.flushall();
    // The snapshot is taken a second from now, and the clock stands still until it is done.
    taken = bench.clock.now() + 1000;
    await redis.hset('stays', 'f', 'v');
    await redis.set('in an hour', 'v', 'PXAT', taken + HOUR);
    await redis.rpush('in ten hours', 'v');
    await redis.pexpireat('in ten hours', taken + 10 * HOUR);
    await redis.xadd('stream in ten hours', '1-1', 'f', 'v');
    await redis.pexpireat('stream in ten hours', taken + 10 * HOUR);
    snapshot = (await bench.snapshot()).id;
    expect(taken).toBe(bench.clock.now());
  });

  /** When each key expires, in milliseconds after the end of the snapshot; null: never. */
  async function expiries(): Promise<Record<string, number | null>> {
    const { redis } = bench.database;
    const found: Record<string, number | null> = {};
    for (const key of (await redis.keys('*')).sort()) {
      const at = await redis.pexpiretime(key);
      found[key] = at < 0 ? null : at - taken;
    }
    return found;
  }

  /** Restores two hours after the snapshot. */
  async function later(ask: Parameters<RestoreBench['restore']>[1]) {
    bench.clock.advance(2 * HOUR - 1000);
    const run = await bench.restore(snapshot, ask);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    return run;
  }

  it('keep: expire when they would have, and expired ones are not restored', async () => {
    await bench.database.redis.flushall();
    const run = await later({ expiry: 'keep' });
    expect(await expiries()).toEqual({ stays: null, 'in ten hours': 10 * HOUR, 'stream in ten hours': 10 * HOUR });
    expect(run.result).toMatchObject({
      plan: { total: { write: 3, expired: 1 } },
      proof: { total: { equal: 3, expired: 1, missing: 0, different: 0 } },
    });
  });

  it('shift: have the time left that they had at the snapshot', async () => {
    await bench.database.redis.flushall();
    await later({ expiry: 'shift' });
    expect(await expiries()).toEqual({
      stays: null,
      'in an hour': 3 * HOUR,
      'in ten hours': 12 * HOUR,
      'stream in ten hours': 12 * HOUR,
    });
  });

  it('drop: are restored without expiry, including expired ones', async () => {
    await bench.database.redis.flushall();
    const dry = await later({ expiry: 'drop', dryRun: true });
    expect(dry.result).toMatchObject({ plan: { total: { write: 4, expired: 0 } } });
    const run = await later({ expiry: 'drop' });
    const all = { stays: null, 'in an hour': null, 'in ten hours': null, 'stream in ten hours': null };
    expect(await expiries()).toEqual(all);
    expect(run.result).toMatchObject({ proof: { total: { equal: 4, expired: 0, missing: 0, different: 0 } } });
  });

  it('drop: can be undone', async () => {
    const { redis } = bench.database;
    await redis.del('in an hour', 'in ten hours');
    await redis.set('in an hour', 'another', 'PXAT', taken + 99 * HOUR);
    const before = await bench.dump();
    const run = await later({ expiry: 'drop' });
    expect(await expiries()).toMatchObject({ 'in an hour': null, 'in ten hours': null });
    expect(await bench.restore(run.id)).toMatchObject({ state: 'succeeded' });
    expect(await bench.dump()).toEqual(before);
  });

  it.each(['keep', 'shift', 'drop'] as const)('%s: replaces the expiry of existing keys', async (expiry) => {
    const { redis } = bench.database;
    await redis.pexpireat('stays', taken + 5 * HOUR);
    await redis.persist('in ten hours');
    await redis.pexpireat('stream in ten hours', taken + 99 * HOUR);
    await later({ expiry });
    const ten = { keep: 10 * HOUR, shift: 12 * HOUR, drop: null }[expiry];
    expect(await expiries()).toMatchObject({ stays: null, 'in ten hours': ten, 'stream in ten hours': ten });
  });

  it.each<[Mode, boolean]>([
    ['replace', false],
    ['merge', true],
    ['missing', true],
  ])('%s: whether a key with an expired record stays: %s', async (mode, stays) => {
    const { redis } = bench.database;
    await redis.set('in an hour', 'written again since');
    const run = await later({ mode });
    expect(await redis.get('in an hour')).toBe(stays ? 'written again since' : null);
    const removed = stays ? 0 : 1;
    expect(run.result).toMatchObject({
      plan: { total: { remove: removed, expired: 1 - removed } },
      written: { removed },
      proof: { total: { different: 0, missing: 0, ...(stays ? { kept: 1 } : { expired: 1 }) } },
    });
  });

  it('do not fail the proof when they expire between plan and proof', async () => {
    const { redis } = bench.database;
    await redis.flushall();
    // Redis goes by the machine's clock: it is told to forget the key when the bench's clock gets there.
    let wrote = false;
    const forgetful = {
      ...bench.port,
      pipeline: async (commands: Parameters<typeof bench.port.pipeline>[0]) => {
        if (wrote && bench.clock.now() < taken + HOUR) {
          bench.clock.advance(HOUR);
          await redis.del('in an hour');
        }
        return bench.port.pipeline(commands);
      },
      transaction: async (commands: Parameters<typeof bench.port.transaction>[0]) => {
        const replies = await bench.port.transaction(commands);
        if (commands.some(([name]) => name === 'RENAME')) wrote = true;
        return replies;
      },
    };
    const run = await bench.restore(snapshot, {}, { redis: forgetful });
    expect(run).toMatchObject({ state: 'succeeded', result: { proof: { total: { equal: 3, expired: 1 } } } });
    expect(run.result).toMatchObject({ plan: { total: { write: 4, expired: 0 } } });
  });

  it('keep the start time of the first attempt when a later one takes over', async () => {
    await bench.database.redis.flushall();
    bench.clock.advance(2 * HOUR - 1000);
    const started = await bench.start(snapshot, { expiry: 'shift' });
    if (!started.started) throw new Error(started.holder);
    let failed = false;
    const failing = {
      ...bench.port,
      transaction: () => {
        failed = true;
        return Promise.reject(new AppError('redis-unavailable', 'away', { hint: 'Wait.', transient: true }));
      },
    };
    await expect(bench.work(started.run.id, { redis: failing })).rejects.toMatchObject({ code: 'redis-unavailable' });
    expect(failed).toBe(true);
    bench.clock.advance(HOUR / 2);
    expect(await bench.work(started.run.id)).toMatchObject({ state: 'succeeded' });
    expect(await expiries()).toMatchObject({ 'in an hour': 3 * HOUR, 'in ten hours': 12 * HOUR });
  });

  it.each([-4, 4])("expire by the target's clock when ours is wrong by %d minutes", async (minutes) => {
    const { redis } = bench.database;
    const target = atTimeOf({ now: () => bench.clock.now() - minutes * 60_000 }, bench.port);
    // By our clock an hour and two minutes later, or an hour less two.
    bench.clock.advance(HOUR + (minutes / 2) * 60_000 - 1000);
    const isAlive = minutes > 0;
    await redis.del('in an hour');
    const run = await bench.restore(snapshot, {}, { redis: target });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(run.result).toMatchObject({ plan: { total: { write: isAlive ? 1 : 0, expired: isAlive ? 0 : 1 } } });
    expect(await redis.exists('in an hour')).toBe(isAlive ? 1 : 0);
    // One that is alive there and as it was is equal, and stays.
    expect((await bench.restore(snapshot, {}, { redis: target })).result).toMatchObject({
      proof: { total: { equal: isAlive ? 4 : 3 } },
    });
    await bench.restore(snapshot, { expiry: 'shift' }, { redis: target });
    const passed = bench.clock.now() - minutes * 60_000 - taken;
    expect((await expiries())['in ten hours']).toBe(10 * HOUR + passed);
  });
});
