import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { batch } from '../support/redis-calls.js';
import { dumpDatabase, openPlain } from '../support/plain-dump.js';
import { NOW } from '../support/restore-bench.js';
import { partName } from '../../lib/snapshot/names.js';
import { openTransferBench, type TransferBench } from './transfer-bench.js';

let bench: TransferBench;
beforeAll(async () => {
  bench = await openTransferBench();
});
beforeEach(() => bench.database.redis.flushall());
afterAll(() => bench.stop());

async function plain() {
  const redis = openPlain(bench.database.url);
  try {
    return Object.fromEntries(await dumpDatabase(redis));
  } finally {
    redis.disconnect();
  }
}

/** What the tools were shown: tests/fixtures/foreign/README.md says how the fixtures were made. */
const SHOWN: readonly (readonly [string, ...string[]])[] = [
  ['SET', 'text', 'né "quoted" \\ back\nline'],
  ['SET', 'empty', ''],
  ['SET', 'number', '007'],
  ['HSET', 'hash', 'field', 'value', '__proto__', 'kept', '1', 'one'],
  ['RPUSH', 'list', 'b', 'a', 'b'],
  ['SADD', 'set', 'x', 'y'],
  ['ZADD', 'zset', '1', 'one', '2', 'two'],
];

async function shown() {
  await batch(bench.database.redis, SHOWN);
  const state = await plain();
  await bench.database.redis.flushall();
  return state;
}

const GONE = 'it went away while the file was made';
const lines = (...values: object[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('');

/** The same by the Ruby redis-dump, by its documentation. */
const RUBY =
  lines(
    { db: 0, key: 'text', ttl: -1, type: 'string', value: 'né "quoted" \\ back\nline', size: 23 },
    { db: 0, key: 'empty', ttl: -1, type: 'string', value: '', size: 0 },
    { db: 0, key: 'number', ttl: -1, type: 'string', value: '007', size: 3 },
    { db: 0, key: 'list', ttl: -1, type: 'list', value: ['b', 'a', 'b'], size: 3 },
    { db: 0, key: 'set', ttl: -1, type: 'set', value: ['y', 'x'], size: 2 },
    {
      db: 0,
      key: 'zset',
      ttl: -1,
      type: 'zset',
      value: [
        ['one', '1'],
        ['two', '2'],
      ],
      size: 8,
    },
  ) + '{"db":0,"key":"hash","ttl":-1,"type":"hash","value":{"field":"value","__proto__":"kept","1":"one"},"size":9}\n';

/** The same by RIOT's file-export, by its documentation. */
const RIOT = `[\n ${[
  '{"key":"text","event":"scan","time":"2026-11-06T08:23:12.559Z","type":"string","value":"né \\"quoted\\" \\\\ back\\nline"}',
  '{"key":"empty","type":"string","value":""}',
  '{"key":"number","type":"string","value":"007"}',
  '{"key":"hash","type":"hash","value":{"field":"value","__proto__":"kept","1":"one"}}',
  '{"key":"list","type":"list","value":["b","a","b"]}',
  '{"key":"set","type":"set","value":["x","y"]}',
  '{"key":"zset","type":"zset","value":[{"score":1.0,"value":"one"},{"score":2.0,"value":"two"}]}',
].join(',\n ')}\n]\n`;

const resp = (...commands: readonly (readonly string[])[]): string =>
  commands
    .map(
      (command) =>
        `*${command.length}\r\n${command.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`,
    )
    .join('');

describe('a dump of another tool', () => {
  it.each([
    ['redis-dump of Ruby', RUBY],
    ['the same without an end of the last line', RUBY.trimEnd()],
    ['RIOT, as an array', RIOT],
    ['RIOT, as lines', RIOT.slice(2, -3).replaceAll(/^ /gm, '').replaceAll(/,$/gm, '')],
    ['an array on one line', JSON.stringify(JSON.parse(RIOT))],
    ['redis-dump-go and upstash-redis-dump', resp(['SELECT', '0'], ...SHOWN)],
  ])('restores the expected database: %s', async (_, content) => {
    const state = await shown();
    for (const packed of [content, gzipSync(content)]) {
      await bench.database.redis.flushall();
      const run = await bench.restoreFile(await bench.file('dump', packed));
      expect(run).toMatchObject({ state: 'succeeded', error: null });
      expect(await plain()).toEqual(state);
    }
  });

  it('restores what redis-dump of npm wrote itself', async () => {
    const content = await readFile(join(import.meta.dirname, '../fixtures/foreign/npm-redis-dump.json'));
    await batch(bench.database.redis, SHOWN);
    // The tool has no such field.
    await bench.database.redis.hdel('hash', '__proto__');
    const state = await plain();
    await bench.database.redis.flushall();
    const run = await bench.restoreFile(await bench.file('npm.json', content));
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(await plain()).toEqual(state);
  });

  it('accepts the mixed commands of several connections', async () => {
    const mixed = resp(
      ['HSET', 'h', 'a', '1'],
      ['RPUSH', 'l', 'a'],
      ['HSET', 'h', 'b', '2'],
      ['EXPIREAT', 'l', String(NOW / 1000 + 60)],
      ['RPUSH', 'l', 'b'],
      ['SET', 's', 'v'],
      ['ZADD', 'z', 'inf', 'm', '1.5', 'n'],
      ['EXPIREAT', 's', String(NOW / 1000 + 90)],
    );
    expect(await bench.restoreFile(await bench.file('mixed', mixed))).toMatchObject({ state: 'succeeded' });
    const { redis } = bench.database;
    expect(await redis.hgetall('h')).toEqual({ a: '1', b: '2' });
    expect([await redis.lrange('l', 0, -1), await redis.pexpiretime('l')]).toEqual([['a', 'b'], NOW + 60_000]);
    expect([await redis.get('s'), await redis.pexpiretime('s')]).toEqual(['v', NOW + 90_000]);
    expect(await redis.zrange('z', '0', '-1', 'WITHSCORES')).toEqual(['n', '1.5', 'm', 'inf']);
  });

  it('keeps an expiring field that is set again', async () => {
    const later = String(NOW + 60_000);
    const file = await bench.file(
      'again',
      resp(
        ['HSET', 'h', 'a', '1', 'b', '1', 'c', '1'],
        ['HPEXPIREAT', 'h', later, 'FIELDS', '2', 'a', 'b'],
        ['HSET', 'h', 'a', '2', 'd', '1'],
      ),
    );
    const staged = await bench.staged(file);
    const [part] = staged.body.parts;
    const found = await staged.store.read(partName(staged.body.id, part?.name ?? ''));
    const line = JSON.parse(gunzipSync(found?.body ?? '').toString()) as { v: string[][]; fx: unknown };
    expect(Object.fromEntries(line.v)).toEqual({ a: '2', b: '1', c: '1', d: '1' });
    expect(line.fx).toEqual([['b', NOW + 60_000]]);
    await staged.store.discard();
  });
});

describe('remaining times', () => {
  const times = async (content: string, request = {}) => {
    await bench.database.redis.flushall();
    await bench.restoreFile(await bench.file('ttl', content), request);
    return bench.database.redis.pexpiretime('k');
  };
  const one = (fields: object): string => lines({ key: 'k', type: 'string', value: 'v', ...fields });

  it('count from now, or from when the dump was made, in the unit that is given', async () => {
    const before = bench.clock.now();
    const counted = await times(one({ ttl: 3600 }));
    expect(counted - before).toBeGreaterThanOrEqual(3_600_000);
    expect(counted - before).toBeLessThan(3_700_000);
    const takenAt = NOW + 50_000_000;
    expect(await times(one({ ttl: 3600 }), { takenAt })).toBe(takenAt + 3_600_000);
    expect(await times(one({ ttl: '3600' }), { takenAt, ttlUnit: 'milliseconds' })).toBe(takenAt + 3600);
    expect(await times(one({ pttl: 3600 }), { takenAt })).toBe(takenAt + 3600);
    expect(await times(one({ ttl: NOW + 60_000_000 }), { ttlUnit: 'unix-milliseconds' })).toBe(NOW + 60_000_000);
    expect(await times(one({ ttl: -1 }))).toBe(-1);
    expect(await times(one({}))).toBe(-1);
    expect(await times(one({ pttl: null, ttl: 3600 }), { takenAt })).toBe(takenAt + 3_600_000);
  });

  it('are not guessed: a number that would be thousands of years is refused', async () => {
    await expect(times(one({ ttl: NOW }))).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/, line 1: its `ttl` would be \d+ years from now\. Nothing was written$/),
      hint: expect.stringContaining('--ttl-unit'),
    });
    await expect(times(one({ ttl: NOW }), { ttlUnit: 'unix-seconds' })).rejects.toMatchObject({
      message: expect.stringMatching(/line 1: its `ttl` would be \d+ years from now\./),
    });
    for (const [ttl, ttlUnit] of [
      [3600, 'unix-seconds'],
      [NOW / 1000, 'unix-milliseconds'],
    ] as const)
      await expect(times(one({ ttl }), { ttlUnit })).rejects.toMatchObject({
        message: expect.stringMatching(/line 1: its `ttl` would be 1\d\d years ago\./),
      });
  });
});

describe('inexact values in a dump', () => {
  const entries = (...value: unknown[]) => ({ key: 'k', type: 'stream', value });
  it.each([
    [
      'a string that is no text',
      { key: 'k', type: 'string', value: { a: 1 } },
      'a value is an object where Redis has text',
    ],
    ['a number', { key: 'k', type: 'list', value: [1] }, 'a value is a number where Redis has text'],
    ['a score that is none', { key: 'k', type: 'zset', value: [['m', 'x']] }, 'a score is not a number'],
    ['entries out of order', entries(['5-1', ['f', 'v']], ['3-1', ['f', 'v']]), 'the entries of the stream are not in'],
    ['an entry without fields', entries(['5-1', []]), 'an entry of the stream is one that Redis does not accept'],
    ['an entry that is none', entries(null), 'an entry of the stream has no id'],
    ['a time below all', { key: 'k', type: 'string', value: 'v', ttl: -5 }, 'its `ttl` is not a time'],
    [
      'a database without a number',
      { key: 'k', type: 'string', value: 'v', db: 'main' },
      'its `db` is not the number of a database',
    ],
    ['another database, as text', { key: 'k', type: 'string', value: 'v', db: '1' }, 'it has keys of database 0 and'],
    ['an id too large', entries(['99999999999999999999-1', ['f', 'v']]), 'an entry of the stream has no id'],
    [
      'a document that is none',
      { key: 'k', type: 'json', value: '{"a"' },
      'its value is not the text of a JSON document',
    ],
    ['a key that is missing', { type: 'string', value: 'v' }, 'it has no field `key`'],
    ['a time that is none', { key: 'k', type: 'string', value: 'v', ttl: 'soon' }, 'its `ttl` is not a whole number'],
  ])('are refused with their line: %s', async (_, value, words) => {
    const path = await bench.file('odd.jsonl', lines({ key: 'first', type: 'string', value: 'v', db: '0' }, value));
    await expect(bench.staged(path)).rejects.toMatchObject({
      code: expect.stringMatching(/^(damaged|usage)$/),
      message: expect.stringContaining(`line 2: ${words}`),
    });
  });

  it('are refused when a number is beyond the range of scores', async () => {
    const path = await bench.file('large.json', '{"key":"k","type":"zset","value":[{"score":1e999,"value":"m"}]}\n');
    await expect(bench.staged(path)).rejects.toMatchObject({
      message: expect.stringContaining('a score is not a number'),
    });
  });

  it('are counted for a key that was removed while the file was made', async () => {
    const path = await bench.file(
      'gone.jsonl',
      lines(
        { key: 'a', type: 'string', value: 'v' },
        { key: 'l', type: 'list', value: [] },
        { key: 'h', type: 'hash', value: {} },
        { key: 't', type: 'string', value: 'v', ttl: -2 },
        { key: 'p', type: 'string', value: 'v', pttl: -2 },
        { key: 'stream', type: 'stream', value: [] },
      ),
    );
    const staged = await bench.staged(path);
    await staged.store.discard();
    expect(staged.body).toMatchObject({
      state: 'incomplete',
      counts: { keys: 2 },
      ledger: { failed: { count: 4, keys: ['l', 'h', 't', 'p'].map((key) => ({ key, reason: GONE })) } },
    });
  });

  it('are counted when the key has a name: types without a record, missing values', async () => {
    const path = await bench.file(
      'types.jsonl',
      lines(
        { key: 'a', type: 'string', value: 'v' },
        { key: 'v', type: 'vectorset', value: 'x' },
        { key: 't', type: 'TSDB-TYPE', value: [] },
        { key: 'm', type: 'hash' },
        { key: 'gone', type: 'none', value: '' },
      ),
    );
    const staged = await bench.staged(path);
    await staged.store.discard();
    expect(staged.body).toMatchObject({
      state: 'incomplete',
      counts: { keys: 1 },
      ledger: {
        unsupported: { count: 2, types: { vectorset: 1, 'TSDB-TYPE': 1 } },
        failed: { count: 1, keys: [{ key: 'm', reason: 'the file has no value for it' }] },
      },
    });
  });

  it('reads one of several databases when it is chosen', async () => {
    const path = await bench.file(
      'dbs.jsonl',
      lines({ db: 0, key: 'a', type: 'string', value: '0' }, { db: 3, key: 'a', type: 'string', value: '3' }),
    );
    await expect(bench.staged(path)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('line 2: it has keys of database 0 and of database 3'),
    });
    await bench.restoreFile(path, { database: 3 });
    expect(await bench.database.redis.get('a')).toBe('3');
    await expect(bench.staged(path, { database: 5 })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('it has no key of database 5. Nothing was written'),
    });
  });

  it('names a key by its field in one object with all, whatever its value has', async () => {
    const value = { type: 'string', value: 'v', ttl: -1 };
    const path = await bench.file('table.json', lines({ key: value, type: value, a: { ...value, key: 'other' } }));
    await bench.restoreFile(path);
    expect((await bench.database.redis.keys('*')).sort()).toEqual(['a', 'key', 'type']);
  });

  it('lets the later of two records of a key count, and says so', async () => {
    const path = await bench.file(
      'twice.jsonl',
      lines({ key: 'a', type: 'string', value: 'old' }, { key: 'a', type: 'list', value: ['new'] }),
    );
    const staged = await bench.staged(path);
    await staged.store.discard();
    expect(staged.remarks).toContain('keys that are in the file twice: 1; the later one counts');
    await bench.restoreFile(path);
    expect(await bench.database.redis.lrange('a', 0, -1)).toEqual(['new']);
  });
});
