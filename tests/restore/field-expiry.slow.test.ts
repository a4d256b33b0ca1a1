import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { RedisCommand } from '../../lib/ports/redis.js';
import type { Proof } from '../../lib/restore/proof.js';
import { describeEngines } from '../support/describe-engines.js';
import type { TestEngine } from '../support/engines.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

const HOUR = 3_600_000;

await describeEngines('a restore of hashes whose fields expire', suite, ({ fieldExpiry }) => fieldExpiry);

function suite({ program }: TestEngine): void {
  let bench: RestoreBench;
  beforeAll(async () => {
    bench = await openRestoreBench({ program });
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    await bench.database.redis.flushall();
    for (const key of ['h1', 'h2', 'h3']) await bench.database.redis.hset(key, 'a', '1', 'b', '2');
    await bench.database.redis.set('s', 'x');
  });

  const call = (name: string, ...args: (string | number)[]) => bench.database.redis.call(name, ...args);
  const times = (key: string) => call('HPEXPIRETIME', key, 'FIELDS', 2, 'a', 'b');
  const at = (ms: number): number => bench.clock.now() + ms;
  const expire = (key: string, time: number, ...fields: string[]) =>
    call('HPEXPIREAT', key, time, 'FIELDS', fields.length, ...fields);

  it.each([
    ['replace', 'overwrite', -1],
    ['merge', 'overwrite', -1],
    ['missing', 'keep', 1],
  ] as const)('compares what was made to expire since the snapshot (%s)', async (mode, action, left) => {
    const { id } = await bench.snapshot();
    const later = at(HOUR);
    for (const key of ['h1', 'h2', 'h3']) await expire(key, later, 'a', 'b');
    const dry = await bench.restore(id, { mode, dryRun: true });
    expect(dry.result).toMatchObject({ plan: { total: { [action]: 3, same: 1 } } });
    if (action === 'overwrite')
      expect(dry.result).toMatchObject({ plan: { reasons: { other: { 'field-expiry': 3 } } } });
    const run = await bench.restore(id, { mode });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(await times('h1')).toEqual(left < 0 ? [-1, -1] : [later, later]);
    if (left < 0) expect(run.result).toMatchObject({ proof: { total: { equal: 4, different: 0 } } });
  });

  it('compares fields that lost their expiry since the snapshot, and an expiry of the whole key', async () => {
    const then = at(10 * HOUR);
    await expire('h1', then, 'a');
    const { id } = await bench.snapshot();
    await call('HPERSIST', 'h1', 'FIELDS', 1, 'a');
    await bench.database.redis.pexpireat('h2', at(HOUR));
    expect((await bench.restore(id, { dryRun: true })).result).toMatchObject({
      plan: { total: { overwrite: 2 }, reasons: { other: { 'field-expiry': 1, expiry: 1 } } },
    });
    expect(await bench.restore(id)).toMatchObject({ state: 'succeeded', error: null });
    expect(await times('h1')).toEqual([then, -1]);
    expect(await bench.database.redis.pexpiretime('h2')).toBe(-1);
  });

  it.each(['keep', 'shift'] as const)('excuses fields that expire between plan and proof (%s)', async (expiry) => {
    const { redis } = bench.database;
    await expire('h1', at(HOUR), 'a');
    await expire('h2', at(HOUR), 'a', 'b');
    const { id } = await bench.snapshot();
    await redis.flushall();
    const forgetful = afterWriting(async () => {
      bench.clock.advance(2 * HOUR);
      await redis.hdel('h1', 'a');
      await redis.hdel('h2', 'a', 'b');
    });
    const run = await bench.restore(id, { expiry }, { redis: forgetful });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(run.result).toMatchObject({ proof: { total: { equal: 3, expired: 1, missing: 0, different: 0 } } });
    expect(await redis.hgetall('h1')).toEqual({ b: '2' });
  });

  it.each([
    ['another field of the hash is gone', async (redis: RestoreBench['database']['redis']) => redis.hdel('h1', 'b')],
    ['a field came back to stay', async (redis: RestoreBench['database']['redis']) => redis.hset('h1', 'a', '1')],
    ['a field is gone before its time', async (redis: RestoreBench['database']['redis']) => redis.hdel('h3', 'a')],
  ])('does not excuse that %s', async (_, spoil) => {
    const { redis } = bench.database;
    await expire('h1', at(HOUR), 'a');
    await expire('h3', at(9 * HOUR), 'a');
    const { id } = await bench.snapshot();
    await redis.flushall();
    const forgetful = afterWriting(async () => {
      bench.clock.advance(2 * HOUR);
      await redis.hdel('h1', 'a');
      await spoil(redis);
    });
    const run = await bench.restore(id, {}, { redis: forgetful });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-proven' } });
    const { total } = (run.result as unknown as { proof: Proof }).proof;
    expect(total.different + total.missing).toBe(1);
  });

  it.each(['replace', 'merge', 'missing'] as const)(
    'counts fields that expire during the write as expired (%s)',
    async (mode) => {
      const { redis } = bench.database;
      // Redis goes by the machine's clock, for which a time of the bench's past is over.
      const gone = Date.now() - 1000;
      await expire('h1', at(HOUR), 'a', 'b');
      await redis.pexpireat('h2', at(HOUR));
      const { id } = await bench.snapshot();
      await redis.flushall();
      let [wrote, jumped] = [false, false];
      const late = {
        ...bench.port,
        transaction: (commands: readonly RedisCommand[]) => {
          wrote ||= commands.some(([name]) => name === 'HSET');
          return bench.port.transaction(commands.map((command) => atTime(command, gone)));
        },
        pipeline: async (commands: readonly RedisCommand[]) => {
          if (wrote && !jumped && commands.some(([name]) => name === 'SCAN')) {
            jumped = true;
            bench.clock.advance(2 * HOUR);
          }
          return bench.port.pipeline(commands);
        },
      };
      const run = await bench.restore(id, { mode }, { redis: late });
      expect(run).toMatchObject({ state: 'succeeded', error: null });
      expect(run.result).toMatchObject({ proof: { total: { equal: 2, expired: 2, missing: 0, different: 0 } } });
      if (mode === 'missing') expect(run.result).toMatchObject({ written: { written: 2, expired: 2, kept: 0 } });
      expect((await redis.keys('*')).sort()).toEqual(['h3', 's']);
    },
  );

  it('drop restores expired fields, and keep does not', async () => {
    const { redis } = bench.database;
    await expire('h1', at(HOUR), 'a');
    await expire('h2', at(HOUR), 'a', 'b');
    const { id } = await bench.snapshot();
    await redis.flushall();
    bench.clock.advance(2 * HOUR);
    const kept = await bench.restore(id, { expiry: 'keep' });
    expect(kept.result).toMatchObject({ plan: { total: { write: 3, expired: 1 } } });
    expect([await redis.hgetall('h1'), await redis.exists('h2')]).toEqual([{ b: '2' }, 0]);
    const dropped = await bench.restore(id, { expiry: 'drop' });
    expect(dropped).toMatchObject({ state: 'succeeded', result: { plan: { total: { write: 1, overwrite: 1 } } } });
    for (const key of ['h1', 'h2']) {
      expect(await redis.hgetall(key)).toEqual({ a: '1', b: '2' });
      expect(await times(key)).toEqual([-1, -1]);
    }
  });

  /** Runs `change` once, before what is read after the last write. */
  function afterWriting(change: () => Promise<unknown>) {
    let [wrote, changed] = [false, false];
    return {
      ...bench.port,
      pipeline: async (commands: readonly RedisCommand[]) => {
        if (wrote && !changed && commands.some(([name]) => name === 'SCAN')) {
          changed = true;
          await change();
        }
        return bench.port.pipeline(commands);
      },
      transaction: async (commands: readonly RedisCommand[]) => {
        const replies = await bench.port.transaction(commands);
        if (commands.some(([name]) => name === 'HSET')) wrote = true;
        return replies;
      },
    };
  }

  function atTime(command: RedisCommand, time: number): RedisCommand {
    const [name, key, , ...rest] = command;
    if (name === 'PEXPIREAT') return [name, key ?? '', time];
    return name === 'HPEXPIREAT' ? [name, key ?? '', time, ...rest] : command;
  }
}
