import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { intercept } from '../../snapshot/intercept.js';
import { openSnapshotBench, type SnapshotBench } from '../../support/snapshot-bench.js';
import { compared } from './bench.js';

const KEYS = Array.from({ length: 1500 }, (_, at) => `key:${at}`);

let bench: SnapshotBench;
beforeAll(async () => {
  bench = await openSnapshotBench();
});
afterAll(() => bench.stop());

/** Compares small records with what stands there; the keys that each request reads. */
async function keysRead(): Promise<number[]> {
  const counts: number[] = [];
  const redis = intercept(bench.port, {
    before: (commands) => {
      counts.push(commands.filter(([name]) => name === 'PEXPIRETIME').length);
      return null;
    },
  });
  const records = KEYS.map((k) => [{ k, t: 'string' as const, v: 'small' }]);
  const told = await compared(redis, records);
  expect(told.map(({ difference }) => difference)).toEqual(KEYS.map(() => 'value'));
  return counts.filter((count) => count > 0);
}

it('reads a few keys at a time when values are much larger than their records', async () => {
  await bench.database.redis.mset(KEYS.flatMap((key) => [key, 'v'.repeat(20_000)]));
  const counts = await keysRead();
  expect(Math.max(...counts)).toBeLessThanOrEqual(100);
  expect(Math.max(...counts.slice(-10))).toBeLessThan(20);
});

it('reads many keys at a time when values are as small', async () => {
  await bench.database.redis.mset(KEYS.flatMap((key) => [key, 'v']));
  expect(Math.max(...(await keysRead()))).toBeGreaterThan(300);
});
