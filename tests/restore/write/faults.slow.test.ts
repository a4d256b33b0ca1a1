import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { loadMixed } from '../../../dev/data/index.js';
import { AppError } from '../../../lib/errors.js';
import type { RecordLine } from '../../../lib/snapshot/record.js';
import { around, NOTHING_WRONG, openWriteBench, recordsOf, type WriteBench } from './write-bench.js';
import { STRIDE } from '../../support/fast-check.js';

const SECRET = 'hunter2-value';

function unavailable(): AppError {
  return new AppError('redis-unavailable', 'lost', { hint: 'none', transient: true });
}

const BIG: readonly RecordLine[] = [
  { k: 'big', t: 'list', v: ['a'], i: 0 },
  { k: 'big', t: 'list', v: [SECRET], i: 1 },
  { k: 'big', t: 'list', v: ['c'], i: 2, last: true },
];

describe('a restore with faults', () => {
  let bench: WriteBench;
  beforeAll(async () => {
    bench = await openWriteBench({ replyBytes: 40_000 });
    await loadMixed({ redisUrl: bench.source.database.url, keys: 200, seed: 9 });
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    await bench.target.database.redis.config('SET', 'maxmemory', '0');
    await bench.target.database.redis.flushall();
  });

  it('is complete when it runs again after each request whose reply was lost', async () => {
    const { manifest, records, compare } = await bench.snapshot();
    // With each try one more request gets through before the fault; the last try meets none.
    let tries = 0;
    for (let done = false; !done; tries += STRIDE) {
      let left = tries * 7;
      const port = around(bench.target.port, async (send, commands) => {
        const replies = await send(commands);
        if (left-- === 0) throw unavailable();
        return replies;
      });
      const writing = bench.target.write(records(), { port });
      const outcome = await writing.catch((error: unknown) => error);
      done = !(outcome instanceof Error);
      if (!done) expect(outcome).toMatchObject({ code: 'redis-unavailable' });
      expect(await bench.target.staged()).toEqual([]);
    }
    expect(tries).toBeGreaterThan(3);
    expect(await compare()).toEqual({ keys: manifest.counts.keys, ...NOTHING_WRONG });
  });

  it('sends nothing more after an abort, throws its reason, and its staged keys expire', async () => {
    const { redis } = bench.target.database;
    const abort = new AbortController();
    const reason = new Error('deadline');
    let after = 0;
    const port = around(bench.target.port, (send, commands) => {
      if (abort.signal.aborted) after++;
      const replies = send(commands);
      if (JSON.stringify(commands).includes(SECRET)) abort.abort(reason);
      return replies;
    });
    const before: RecordLine = { k: 'before', t: 'string', v: 'x' };
    const writing = bench.target.write(recordsOf(before, BIG), { port, signal: abort.signal });
    await expect(writing).rejects.toBe(reason);
    await turn();
    expect(after).toBe(0);
    expect(await redis.exists('big', 'before')).toBe(0);
    const [left = ''] = await bench.target.staged();
    expect(await redis.pttl(left)).toBeGreaterThan(23 * 3_600_000);
  });

  it('sends nothing when it was aborted before the start', async () => {
    const before = bench.target.port.usage().requests;
    const signal = AbortSignal.abort(new Error('too late'));
    await expect(bench.target.write(recordsOf(BIG), { signal })).rejects.toThrow('too late');
    expect(bench.target.port.usage().requests).toBe(before);
  });

  it('removes staged keys, and starts nothing new, when reading the records fails', async () => {
    const lines = (async function* () {
      await turn();
      yield BIG[1] as RecordLine;
      throw new AppError('damaged', 'cut short', { hint: 'none' });
    })();
    const records = (async function* () {
      await turn();
      yield { first: BIG[0] as RecordLine, rest: lines, expired: false };
    })();
    await expect(bench.target.write(records)).rejects.toMatchObject({ code: 'damaged' });
    expect(await bench.target.database.redis.dbsize()).toBe(0);
  });

  it('detects when a delayed request truncated a staged list', async () => {
    const first: string[] = [];
    let pages = 0;
    const port = around(bench.target.port, async (send, commands) => {
      const replies = await send(commands);
      const isPage = commands.some(([name]) => name === 'RPUSH');
      if (isPage && first.push(JSON.stringify(commands)) === 1) return replies;
      // The first page arrives once more, behind the second.
      if (isPage && ++pages === 1) await bench.target.port.transaction(JSON.parse(first[0] ?? '') as typeof commands);
      return replies;
    });
    const page = 'x'.repeat(700_000);
    const lines: RecordLine[] = ['a', 'b', 'c'].map((item, i) => ({ k: 'list', t: 'list', v: [item + page], i }));
    const records = recordsOf([...lines, { k: 'list', t: 'list', v: ['d'], i: 3, last: true }]);
    const outcome = await bench.target.write(records, { port }).catch((error: unknown) => error);
    expect(outcome).toMatchObject({ code: 'redis-unavailable', transient: true });
    expect(await bench.target.database.redis.dbsize()).toBe(0);
  });

  it('reports that the target is full, without a key or a value', async () => {
    await bench.target.database.redis.config('SET', 'maxmemory', '1');
    const small: RecordLine = { k: SECRET, t: 'hash', v: [[SECRET, SECRET]] };
    for (const records of [recordsOf(small), recordsOf(BIG)]) {
      const error = (await bench.target.write(records).catch((cause: unknown) => cause)) as AppError;
      expect(error).toMatchObject({ code: 'redis-command', transient: false });
      expect(error.message).toContain('OOM');
      expect(error.hint).toMatch(/full/);
      expect(error.message + error.hint).not.toContain(SECRET);
    }
  });

  it('gives a hint for expiring fields that the server does not support, and writes no such key', async () => {
    const hash: RecordLine = { k: 'hash', t: 'hash', v: [['f', 'v']], fx: [['f', 4_102_444_800_000]] };
    const lines: RecordLine[] = [
      { ...hash, i: 0 },
      { k: 'hash', t: 'hash', v: [['g', 'v']], i: 1, last: true },
    ];
    for (const records of [recordsOf(hash), recordsOf(lines)]) {
      const error = (await bench.target.write(records).catch((cause: unknown) => cause)) as AppError;
      expect(error).toMatchObject({ code: 'redis-command' });
      expect(error.hint).toContain('--ttl drop');
      expect(await bench.target.database.redis.dbsize()).toBe(0);
    }
  });

  it('says what a server without JSON documents is missing', async () => {
    const json: RecordLine = { k: 'doc', t: 'json', v: `{"a":"${SECRET}"}` };
    const error = (await bench.target.write(recordsOf(json)).catch((cause: unknown) => cause)) as AppError;
    expect(error).toMatchObject({ code: 'redis-command' });
    expect(error.hint).toContain('JSON.SET');
    expect(error.message + error.hint).not.toContain(SECRET);
  });
});
