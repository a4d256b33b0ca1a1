import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

const MAX = '9223372036854775807';
const BEYOND = '9007199254740993';

describe('an expiry beyond 2^53', () => {
  let bench: RestoreBench;
  beforeAll(async () => {
    bench = await openRestoreBench({ snapshotReplyBytes: 60_000 });
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.flushall());

  const keys = ['string', 'hash', 'list', 'stream', 'big'];

  async function fill(times: readonly string[]): Promise<void> {
    const { redis } = bench.database;
    for (const [at, time] of times.entries()) {
      await redis.set(`string${at}`, 'v');
      await redis.hset(`hash${at}`, 'f', 'v');
      await redis.rpush(`list${at}`, 'v');
      await redis.xadd(`stream${at}`, '1-1', 'f', 'v');
      await redis.set(`big${at}`, 'v'.repeat(200_000));
      for (const key of keys) await redis.call('PEXPIREAT', `${key}${at}`, time);
    }
  }

  async function times(): Promise<string[]> {
    const found: string[] = [];
    for (const key of (await bench.database.redis.keys('*')).sort()) {
      found.push(`${key} ${await exactExpiry(key)}`);
    }
    return found;
  }

  /** Over REST: ioredis rounds. */
  async function exactExpiry(key: string): Promise<string> {
    const [reply] = await bench.port.pipeline([['PEXPIRETIME', key]]);
    return reply !== undefined && 'value' in reply ? String(reply.value) : 'none';
  }

  it.each(['replace', 'missing'] as const)('is restored exactly: %s', async (mode) => {
    await fill([MAX, BEYOND]);
    const before = await times();
    expect(before).toContain(`string0 ${MAX}`);
    expect(before).toContain(`big1 ${BEYOND}`);
    const { id } = await bench.snapshot();
    await bench.database.redis.flushall();
    const run = await bench.restore(id, { mode });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(run.result).toMatchObject({ proof: { total: { equal: 10, missing: 0, different: 0 } } });
    expect(await times()).toEqual(before);
  });

  it('is different when it differs by a millisecond', async () => {
    await fill([BEYOND]);
    const { id } = await bench.snapshot();
    await bench.database.redis.call('PEXPIREAT', 'string0', '9007199254740994');
    const { result } = await bench.restore(id, { dryRun: true });
    expect(result).toMatchObject({ plan: { total: { overwrite: 1, same: 4 } } });
  });

  it('is shifted no further than a key can expire, and dropped', async () => {
    await fill([MAX, BEYOND]);
    const { id } = await bench.snapshot();
    bench.clock.advance(3_600_000);
    await bench.restore(id, { expiry: 'shift' });
    const shifted = await times();
    expect(shifted).toContain(`string0 ${MAX}`);
    const later = /^string1 (\d+)$/.exec(shifted.find((line) => line.startsWith('string1')) ?? '')?.[1] ?? '0';
    expect(BigInt(later)).toBeGreaterThanOrEqual(BigInt(BEYOND) + 3_600_000n);
    await bench.restore(id, { expiry: 'drop' });
    for (const line of await times()) expect(line).toMatch(/ -1$/);
  });
});
