import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RecordLine, RecordType, RecordValue } from '../../../lib/snapshot/record.js';
import { around, openTarget, recordsOf, type Target } from './write-bench.js';

const PAGE = 2000;
const PAGES = 3;

const numbers = (page: number): string[] => Array.from({ length: PAGE }, (_, n) => String(page * PAGE + n));
const values: Partial<Record<RecordType, (page: number) => RecordValue>> = {
  hash: (page) => numbers(page).map((n) => [`field ${n}`, n] as const),
  set: numbers,
  zset: (page) => numbers(page).map((n) => [n, n] as const),
  list: numbers,
};

function linesOf(type: RecordType): RecordLine[] {
  return Array.from({ length: PAGES }, (_, i) => ({
    k: 'big',
    t: type,
    i,
    ...(i === PAGES - 1 ? { last: true as const } : {}),
    v: values[type]?.(i) ?? '',
  }));
}

describe('a key that is put together', () => {
  let target: Target;
  beforeAll(async () => {
    target = await openTarget();
  });
  afterAll(() => target.stop());
  beforeEach(() => target.database.redis.flushall());

  it.each(['hash', 'set', 'zset', 'list'] as const)(
    'a %s that is removed while staged is never published',
    async (type) => {
      const { redis } = target.database;
      await redis.set('big', 'as it was');
      let left = 2;
      const port = around(target.port, async (send, commands) => {
        const replies = await send(commands);
        const staged = await target.staged();
        if (staged.length > 0 && --left === 0) await redis.del(...staged);
        return replies;
      });
      await expect(target.write(recordsOf(linesOf(type)), { port })).rejects.toMatchObject({
        code: 'redis-unavailable',
        transient: true,
      });
      expect(await redis.get('big')).toBe('as it was');
      expect(await target.staged()).toEqual([]);
      expect(await target.write(recordsOf(linesOf(type)))).toMatchObject({ written: 1 });
      expect(await redis.type('big')).toBe(type);
    },
  );
});
