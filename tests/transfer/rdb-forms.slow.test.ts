import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeEngines } from '../support/describe-engines.js';
import { batch } from '../support/redis-calls.js';
import { dumpDatabase, openPlain } from '../support/plain-dump.js';
import { startTestDatabase } from '../support/test-database.js';
import { openTransferBench, type TransferBench } from './transfer-bench.js';

const run = promisify(execFile);

async function plain(url: string) {
  const redis = openPlain(url);
  try {
    return Object.fromEntries(await dumpDatabase(redis));
  } finally {
    redis.disconnect();
  }
}

/** What redis-server itself makes of an RDB file. */
async function loadedByServer(rdb: Buffer) {
  const folder = await mkdtemp(join(tmpdir(), 'loads-'));
  await writeFile(join(folder, 'dump.rdb'), rdb);
  const socket = join(folder, 'redis.sock');
  const server = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', ''], {
    stdio: 'ignore',
  });
  try {
    for (;;) {
      if (server.exitCode !== null) throw new Error('redis-server does not load the file');
      if ((await run('redis-cli', ['-s', socket, 'PING']).catch(() => null))?.stdout.trim() === 'PONG') break;
    }
    return await plain(socket);
  } finally {
    server.kill('SIGKILL');
    await once(server, 'exit');
    await rm(folder, { recursive: true, force: true });
  }
}

const length = (value: number): Buffer =>
  value < 64 ? Buffer.from([value]) : Buffer.from([0x40 | (value >> 8), value & 0xff]);
const text = (bytes: Buffer | string): Buffer => Buffer.concat([length(Buffer.from(bytes).length), Buffer.from(bytes)]);

/** A ziplist of texts and integers, as servers before 7.0 wrote it. */
function ziplist(values: readonly (string | number)[]): Buffer {
  const entries: Buffer[] = [];
  let before = 0;
  for (const value of values) {
    const entry = Buffer.concat([
      before < 254 ? Buffer.from([before]) : Buffer.from([254, before & 255, before >> 8, 0, 0]),
      ziplistValue(value),
    ]);
    before = entry.length;
    entries.push(entry);
  }
  const body = Buffer.concat(entries);
  const head = Buffer.alloc(10);
  head.writeUInt32LE(body.length + 11, 0);
  head.writeUInt32LE(10 + body.length - before, 4);
  head.writeUInt16LE(values.length, 8);
  return Buffer.concat([head, body, Buffer.from([0xff])]);
}

function ziplistValue(value: string | number): Buffer {
  if (typeof value === 'string') {
    const bytes = Buffer.from(value);
    if (bytes.length < 64) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
    return Buffer.concat([Buffer.from([0x40 | (bytes.length >> 8), bytes.length & 0xff]), bytes]);
  }
  if (value >= 0 && value <= 12) return Buffer.from([0xf1 + value]);
  const [mark, width] =
    value >= -128 && value < 128
      ? [0xfe, 1]
      : Math.abs(value) < 2 ** 15
        ? [0xc0, 2]
        : Math.abs(value) < 2 ** 23
          ? [0xf0, 3]
          : [0xd0, 4];
  const bytes = Buffer.alloc(1 + width);
  bytes[0] = mark;
  bytes.writeIntLE(value, 1, width);
  return bytes;
}

/** A file of version 9, as Redis 5 and 6 wrote it, without a checksum. */
function oldFile(...values: readonly Buffer[]): Buffer {
  return Buffer.concat([
    Buffer.from('REDIS0009'),
    Buffer.from([0xfe, 0]),
    ...values,
    Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 0]),
  ]);
}

const of = (type: number, key: string, value: Buffer): Buffer => Buffer.concat([Buffer.from([type]), text(key), value]);

let bench: TransferBench;
beforeAll(async () => {
  bench = await openTransferBench();
});
afterAll(() => bench.stop());

describe('an RDB file as servers before 7.0 wrote it', () => {
  it('restores the same database as redis-server', async () => {
    const values = ['a', 7, -5, 300, -40_000, 9_000_000, 12, 'né', 'x'.repeat(100), 'y'.repeat(300), 'z'];
    const pairs = values.flatMap((value, at) => [`f${at}`, value]);
    const scores = values.flatMap((_, at) => [`m${at}`, at < 9 ? at * 100 - 200 : '0.5']);
    const expiry = Buffer.alloc(9);
    expiry[0] = 0xfc;
    expiry.writeBigUInt64LE(4_000_000_000_123n, 1);
    const rdb = oldFile(
      of(14, 'list', Buffer.concat([length(2), text(ziplist(values)), text(ziplist([1, 'end']))])),
      of(13, 'hash', text(ziplist(pairs))),
      of(12, 'zset', text(ziplist(scores))),
      of(10, 'older list', text(ziplist(['b', 1]))),
      of(1, 'plain list', Buffer.concat([length(2), text('p'), text('q')])),
      of(
        3,
        'plain zset',
        Buffer.concat([
          length(3),
          text('m'),
          text('1.25'),
          text('up'),
          Buffer.from([254]),
          text('down'),
          Buffer.from([255]),
        ]),
      ),
      expiry,
      of(0, 'expires', text('in 2096')),
      of(0, 'number', Buffer.from([0xc1, 0x39, 0x30])),
    );
    const wanted = await loadedByServer(rdb);
    expect(Object.keys(wanted)).toHaveLength(8);
    const restored = await bench.restoreFile(await bench.file('old.rdb', rdb));
    expect(restored).toMatchObject({ state: 'succeeded', error: null });
    expect(await plain(bench.database.url)).toEqual(wanted);
  });
});

describe('keys of several databases', () => {
  it('are refused, unless one database is chosen', async () => {
    const { redis } = bench.database;
    await redis.flushall();
    await batch(redis, [
      ['SET', 'a', 'zero'],
      ['SELECT', '2'],
      ['SET', 'a', 'two'],
      ['SELECT', '0'],
    ]);
    const path = join(bench.files, 'several.rdb');
    await copyFile(await bench.saved(), path);
    await expect(bench.staged(path)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/byte \d+: it has keys of database 0 and of database 2\. Nothing was written$/),
    });
    const staged = await bench.staged(path, { database: 2 });
    await staged.store.discard();
    expect(staged.remarks).toEqual(['keys of database 0 were skipped: 1']);
    await redis.flushall();
    await bench.restoreFile(path, { database: 2 });
    expect(await redis.get('a')).toBe('two');
  });
});

await describeEngines(
  'types without a record',
  ({ program }) => {
    it('are counted by name, and the keys around them are complete', async () => {
      const database = await startTestDatabase(program);
      try {
        await batch(database.redis, [
          ['SET', 'a', '1'],
          ['VADD', 'vectors', 'VALUES', '3', '1', '2', '3', 'element'],
          ['SET', 'z', '2'],
        ]);
        await database.redis.save();
        const staged = await bench.staged(join(database.url, '../dump.rdb'));
        await staged.store.discard();
        expect(staged.body).toMatchObject({
          state: 'incomplete',
          counts: { keys: 2 },
          ledger: {
            failed: { count: 0 },
            unsupported: { count: 1, types: { vectorset: 1 }, keys: [{ key: 'vectors', reason: 'type vectorset' }] },
          },
        });
      } finally {
        await database.stop();
      }
    });
  },
  ({ name }) => name === 'redis 8',
);
