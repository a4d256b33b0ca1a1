import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RedisCommand, RedisReply } from '../../../lib/ports/redis.js';
import type { RecordLine } from '../../../lib/snapshot/record.js';
import { intercept, isAbout } from '../../snapshot/intercept.js';
import { openSnapshotBench, type SnapshotBench } from '../../support/snapshot-bench.js';
import { compared, unequal } from './bench.js';

describe('comparing what this redis-server does not know', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench();
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.flushall());

  const differenceOf = async (line: RecordLine, redis = bench.port): Promise<string> => {
    const [told] = await compared(redis, [[line]], { fieldExpiry: line.t === 'hash' });
    return told?.difference ?? told?.live ?? '';
  };

  describe('with hash fields that expire', () => {
    const FAR = 4_102_444_800_000;
    const knowing = (times: Readonly<Record<string, number>>) =>
      intercept(bench.port, {
        before: (commands) => {
          if (commands[0]?.[0] !== 'HPEXPIRETIME') return null;
          return commands.map(([, , , , ...fields]: RedisCommand): RedisReply => ({
            value: fields.map((field) => times[Buffer.from(field as Buffer).toString()] ?? -1),
          }));
        },
      });
    const line: RecordLine = {
      k: 'hash',
      t: 'hash',
      v: [
        ['a', '1'],
        ['b', '2'],
      ],
      fx: [['a', FAR]],
    };

    it.each([
      [{ a: FAR }, 'equal'],
      [{ a: FAR + 1 }, 'field-expiry'],
      [{ b: FAR }, 'field-expiry'],
      [{}, 'field-expiry'],
      [{ a: FAR, b: FAR }, 'field-expiry'],
    ])('%j is told as %s', async (times, expected) => {
      await bench.database.redis.hset('hash', 'b', '2', 'a', '1');
      expect(await differenceOf(line, knowing(times))).toBe(expected);
      const [told] = await compared(knowing(times), [[line]], { fieldExpiry: false });
      expect(told?.live).toBe('equal');
    });

    it('tells another value where the times agree', async () => {
      await bench.database.redis.hset('hash', 'b', '2', 'a', 'another');
      expect(await differenceOf(line, knowing({ a: FAR }))).toBe('value');
    });
  });

  describe('a JSON document', () => {
    const holding = (text: string) =>
      intercept(bench.port, {
        before: (commands) => {
          if (!commands.some((command) => isAbout(command, 'JSON.GET', 'doc'))) return null;
          return [{ value: Buffer.from(text) }, { value: -1 }];
        },
      });

    it.each([
      ['{"a":1,"b":[2,3]}', '{"a":1,"b":[2,3]}', 'equal'],
      ['{"a":1,"b":[2,3]}', '{ "b": [2, 3], "a": 1.0 }', 'equal'],
      ['{"a":1,"b":[2,3]}', '{"a":1,"b":[3,2]}', 'value'],
      ['{"a":1}', '{"a":"1"}', 'value'],
    ])('%s against %s is told as %s', async (recorded, live, expected) => {
      expect(await differenceOf({ k: 'doc', t: 'json', v: recorded }, holding(live))).toBe(expected);
    });

    it('is absent from a server that does not know JSON, or something else', async () => {
      await bench.database.redis.set('other', '{}');
      const told = await compared(
        bench.port,
        ['doc', 'other'].map((k) => [{ k, t: 'json', v: '{}' }]),
      );
      expect(unequal(told)).toEqual({ '"doc"': 'absent', '"other"': 'type' });
    });

    it('that no reply can hold is not the one that was read once', async () => {
      const redis = intercept(bench.port, {
        before: (commands) =>
          commands.map(([name]) => {
            if (name === 'TYPE') return { value: Buffer.from('json') };
            return name === 'PEXPIRETIME' ? { value: -1 } : { error: 'ERR max request size exceeded' };
          }),
      });
      expect(await differenceOf({ k: 'doc', t: 'json', v: '{}' }, redis)).toBe('value');
    });
  });
});
