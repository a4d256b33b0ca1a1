import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RecordLine } from '../../../lib/snapshot/record.js';
import { intercept, isAbout } from '../../snapshot/intercept.js';
import { describeEngines } from '../../support/describe-engines.js';
import { openSnapshotBench, type SnapshotBench } from '../../support/snapshot-bench.js';
import { compared, unequal } from './bench.js';

describe('comparing types that this redis-server does not support', () => {
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
    ])('%s compared with %s gives %s', async (recorded, live, expected) => {
      expect(await differenceOf({ k: 'doc', t: 'json', v: recorded }, holding(live))).toBe(expected);
    });

    it('is absent, or of another type, on a server without JSON', async () => {
      await bench.database.redis.set('other', '{}');
      const told = await compared(
        bench.port,
        ['doc', 'other'].map((k) => [{ k, t: 'json', v: '{}' }]),
      );
      expect(unequal(told)).toEqual({ '"doc"': 'absent', '"other"': 'type' });
    });

    it('that no reply can hold differs from the one in the snapshot', async () => {
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

await describeEngines('comparing hashes whose fields expire', ({ fieldExpiry, program }) => {
  if (!fieldExpiry) {
    it.skip('is not known there', () => undefined);
    return;
  }
  const FAR = 4_102_444_800_000;
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench({ program });
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.flushall());

  const line: RecordLine = {
    k: 'hash',
    t: 'hash',
    v: [
      ['a', '1'],
      ['b', '2'],
    ],
    fx: [['a', FAR]],
  };
  const differenceOf = async (): Promise<string> => {
    const [told] = await compared(bench.port, [[line]], { fieldExpiry: true });
    return told?.difference ?? told?.live ?? '';
  };
  const expire = (field: string, at: number) =>
    bench.database.redis.call('HPEXPIREAT', 'hash', String(at), 'FIELDS', '1', field);

  it.each<[Record<string, number>, string]>([
    [{ a: FAR }, 'equal'],
    [{ a: FAR + 1 }, 'field-expiry'],
    [{ b: FAR }, 'field-expiry'],
    [{}, 'field-expiry'],
    [{ a: FAR, b: FAR }, 'field-expiry'],
  ])('%j gives %s', async (times, expected) => {
    await bench.database.redis.hset('hash', 'b', '2', 'a', '1');
    for (const [field, at] of Object.entries(times)) await expire(field, at);
    expect(await differenceOf()).toBe(expected);
    const [told] = await compared(bench.port, [[line]], { fieldExpiry: false });
    expect(told?.live).toBe('equal');
  });

  it('finds another value when the expiries are equal', async () => {
    await bench.database.redis.hset('hash', 'b', '2', 'a', 'another');
    await expire('a', FAR);
    expect(await differenceOf()).toBe('value');
  });

  it('takes one request per batch, not per hash', async () => {
    const names = Array.from({ length: 300 }, (_, at) => `hash:${at}`);
    const lines = names.map((k): RecordLine => ({ ...line, k }));
    const pipeline = bench.database.redis.pipeline();
    for (const name of names) {
      pipeline.hset(name, 'a', '1', 'b', '2');
      pipeline.call('HPEXPIREAT', name, String(FAR), 'FIELDS', '1', 'a');
    }
    await pipeline.exec();
    const before = bench.port.usage().requests;
    const told = await compared(
      bench.port,
      lines.map((one) => [one]),
      { fieldExpiry: true },
    );
    expect(unequal(told)).toEqual({});
    expect(bench.port.usage().requests - before).toBeLessThan(10);
  });
});
