import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { mkdir, open, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { stageFile } from '../../lib/transfer/stage.js';
import { exportContent } from '../../lib/transfer/export.js';
import { SELECT_ALL } from '../../lib/soulcaster/selection.js';
import { systemClock } from '../../lib/services/clock.js';
import { batch } from '../support/redis-calls.js';
import { openTransferBench, PLAIN, type TransferBench } from './transfer-bench.js';

let bench: TransferBench;
let rdb: Buffer;
let dump: Buffer;
beforeAll(async () => {
  bench = await openTransferBench();
  await batch(bench.database.redis, [
    ['SET', 'text', 'some text that is packed, some text that is packed, some text that is packed'],
    ['SET', 'expires', '1', 'PXAT', '4102444800000'],
    ['RPUSH', 'list', 'a', '1', 'x'.repeat(200)],
    ['SADD', 'set', '1', '2', '70000'],
    ['ZADD', 'zset', '1.5', 'm', '-inf', 'n'],
    ['HSET', 'hash', 'f', 'v'],
    ['XADD', 'stream', '1-1', 'f', 'v'],
    ['XGROUP', 'CREATE', 'stream', 'g', '0'],
    ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'stream', '>'],
  ]);
  rdb = await readFile(await bench.saved());
  const manifest = await bench.snapshot();
  const content = exportContent({ manifest, store: bench.folder.store, encryptor: PLAIN }, SELECT_ALL, 'jsonl', {
    keys: 0,
    lines: 0,
  });
  const pieces: Buffer[] = [];
  for await (const piece of content) pieces.push(piece);
  dump = Buffer.concat(pieces);
});
afterAll(() => bench.stop());

let number = 0;

/** `damaged: line 3: ...` for what a file is refused with; `taken` when it is not. Nothing may be left of it either way. */
async function outcome(content: Uint8Array | string): Promise<string> {
  const path = await bench.file(`bad-${number++}`, content);
  try {
    await (await bench.staged(path)).store.discard();
    return 'taken';
  } catch (error) {
    const { code, hint, message } = error as { code?: string; hint?: string; message: string };
    if (code === undefined || hint === undefined || !message.endsWith('. Nothing was written')) throw error;
    return `${code}: ${message.replace(JSON.stringify(path), 'FILE')}`;
  }
}

describe('a file that is cut or altered', () => {
  it('is refused wherever it is cut, with the place', async () => {
    for (const whole of [rdb, dump, gzipSync(dump)]) {
      expect(await outcome(whole)).toBe('taken');
      for (let end = 1; end < whole.length; end += Math.max(1, Math.floor(whole.length / 90))) {
        expect([end, await outcome(whole.subarray(0, end))]).toEqual([
          end,
          expect.stringMatching(/^(damaged|invalid): FILE/),
        ]);
      }
    }
    expect(await outcome(rdb.subarray(0, -20))).toMatch(/^damaged: FILE, byte \d+: it is cut short/);
    expect(await outcome(gzipSync(dump).subarray(0, -1))).toBe(
      'damaged: FILE: it is cut short: the gzip data has no end. Nothing was written',
    );
    const lines = dump.toString().split('\n');
    expect(await outcome(`${lines.slice(0, -3).join('\n')}\n`)).toMatch(
      /^damaged: FILE, line \d+: it is cut short: the line that ends an export is missing/,
    );
    // A line less in the middle.
    expect(await outcome(lines.filter((_, at) => at !== 2).join('\n'))).toMatch(
      /: 6 lines with 6 keys are before it, but 7 with 7 were written/,
    );
  });

  it('is refused for any changed byte of an RDB file', async () => {
    for (let at = 0; at < rdb.length; at += 3) {
      const altered = Buffer.from(rdb);
      altered[at] = (altered[at] ?? 0) ^ 0x41;
      expect([at, await outcome(altered)]).toEqual([
        at,
        expect.stringMatching(/^(damaged|invalid|newer-format|usage): FILE/),
      ]);
    }
  });

  it('is read with a byte order mark and with line ends of Windows', async () => {
    const lines = dump.toString().replaceAll('\n', '\r\n');
    expect(await outcome(`\uFEFF${dump.toString()}`)).toBe('taken');
    expect(await outcome(`\uFEFF${lines}`)).toBe('taken');
  });

  it('is refused when data follows its end', async () => {
    expect(await outcome(Buffer.concat([rdb, Buffer.from('*1\r\n')]))).toMatch(
      /something follows the end of the RDB file/,
    );
    expect(await outcome(Buffer.concat([gzipSync(dump), Buffer.from('more')]))).toMatch(
      /extra bytes follow the gzip data|cannot be decompressed/,
    );
    expect(await outcome(Buffer.concat([dump, Buffer.from('{"k":"x","t":"string","v":"y"}\n')]))).toMatch(
      /comes after the line that says where the export ends/,
    );
  });

  it('is refused when it changes while it is read', async () => {
    const line = (key: number): string =>
      `${JSON.stringify({ key: `k${key}`, type: 'string', value: 'x'.repeat(300) })}\n`;
    const path = await bench.file('grows.jsonl', Array.from({ length: 3000 }, (_, key) => line(key)).join(''));
    let grown = false;
    const staging = stageFile(
      { clock: systemClock(), encryptor: PLAIN },
      { path, takenAt: null, ttlUnit: 'seconds', database: null },
      {
        partBytes: 20_000,
        skipTypes: [],
        tool: 'test',
        owner: null,
        signal: new AbortController().signal,
        onProgress() {
          if (!grown) appendFileSync(path, line(9999));
          grown = true;
        },
      },
    );
    await expect(staging).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining('it changed while it was read'),
    });
  });
});

describe('a file of another kind', () => {
  const ours = (line: object): string => `{"k":"a","t":"string","v":"1"}\n${JSON.stringify(line)}\n`;
  const stream = (entries: unknown, lastId: string) => ({ k: 'b', t: 'stream', v: { entries, lastId } });
  it.each([
    ['nothing', '', 'invalid: FILE: it is empty'],
    ['a web page', '<!doctype html><p>', 'invalid: FILE: it is XML, which is not supported'],
    ['commands as text', 'SET a "b c"\n', 'invalid: FILE: it is a list of commands as text, which is not supported'],
    ['any text', 'hello', 'invalid: FILE: it is in an unknown format, which is not supported'],
    ['a line that is no JSON', '{"k":"a","t":"string","v":"1"}\n{"k"\n', 'damaged: FILE, line 2: it is not JSON'],
    [
      'a type that is not known',
      ours({ k: 'b', t: 'tape', v: '1' }),
      'damaged: FILE, line 2: it is of type "tape", which does not exist',
    ],
    [
      'a value of another type',
      ours({ k: 'b', t: 'hash', v: ['f'] }),
      'damaged: FILE, line 2: its value is not valid for a hash',
    ],
    [
      'a score that is none',
      ours({ k: 'b', t: 'zset', v: [['m', 'high']] }),
      'damaged: FILE, line 2: its value is not valid for a zset',
    ],
    ['base64 that is none', ours({ k: { b: '*' }, t: 'string', v: '' }), 'damaged: FILE, line 2: it has no key'],
    [
      'a time that is none',
      ours({ k: 'b', t: 'string', v: '', x: -5 }),
      'damaged: FILE, line 2: its expiry is not a time',
    ],
    [
      'a stream without its end',
      ours({ k: 'b', t: 'stream', v: { entries: [] } }),
      'damaged: FILE, line 2: the stream ends without its last id',
    ],
    [
      'entries of a stream out of order',
      ours(
        stream(
          [
            ['5-1', ['f', 'v']],
            ['3-9', ['f', 'v']],
          ],
          '5-1',
        ),
      ),
      'damaged: FILE, line 2: the entries of the stream are not in ascending order',
    ],
    [
      'entries out of order over two lines',
      `${JSON.stringify({ k: 's', t: 'stream', i: 0, v: { entries: [['5-1', ['f', 'v']]] } })}\n${JSON.stringify({ k: 's', t: 'stream', i: 1, last: true, v: { entries: [['5-1', ['f', 'v']]], lastId: '5-1' } })}\n`,
      'damaged: FILE, line 2: the entries of the stream are not in ascending order',
    ],
    [
      'a last id before the last entry',
      ours(stream([['5-1', ['f', 'v']]], '4-1')),
      "damaged: FILE, line 2: the stream's last id comes before its last entry",
    ],
    [
      'an entry without fields',
      ours(stream([['5-1', []]], '5-1')),
      'damaged: FILE, line 2: its value is not valid for a stream',
    ],
    [
      'an id that no stream can have',
      ours(stream([['99999999999999999999-1', ['f', 'v']]], '5-1')),
      'damaged: FILE, line 2: its value is not valid for a stream',
    ],
    [
      'a score beyond the range of scores',
      ours({ k: 'b', t: 'zset', v: [['m', '1e999']] }),
      'damaged: FILE, line 2: its value is not valid for a zset',
    ],
    [
      'a score that only looks like zero',
      ours({ k: 'b', t: 'zset', v: [['m', '1e-999']] }),
      'damaged: FILE, line 2: its value is not valid for a zset',
    ],
    [
      'a document that is none',
      ours({ k: 'b', t: 'json', v: '{"a":' }),
      'damaged: FILE, line 2: its value is not valid for a json',
    ],
    [
      'a document that is none, as a command',
      '*4\r\n$8\r\nJSON.SET\r\n$1\r\nk\r\n$1\r\n$\r\n$2\r\n{]\r\n',
      'damaged: FILE, byte 0: JSON.SET sets a value that is not a document',
    ],
    [
      'a database without a number',
      '*2\r\n$6\r\nSELECT\r\n$1\r\nx\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n',
      'damaged: FILE, byte 0: SELECT names no database',
    ],
    [
      'an expiry later than any',
      '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*3\r\n$8\r\nEXPIREAT\r\n$1\r\nk\r\n$19\r\n9223372036854775807\r\n',
      'damaged: FILE, byte 27: an expiry is not a time',
    ],
    [
      'half a character',
      '{"k":"a","t":"string","v":"\\ud800"}\n',
      'damaged: FILE, line 1: its value is not valid for a string',
    ],
    [
      'bytes that are no text',
      Buffer.from('{"key":"a","type":"string","value":"\xff"}\n', 'latin1'),
      'damaged: FILE, line 1: it is not UTF-8',
    ],
    [
      'an old RDB file',
      'REDIS0006\xfe\x00',
      'invalid: FILE: it is an RDB file of version 6, and 9 is the oldest supported version',
    ],
    ['a newer RDB file', 'REDIS0099\x7f\x01a', 'newer-format: FILE, byte 12: type 127 of an RDB file is unknown'],
    [
      'a command that is not read',
      '*2\r\n$8\r\nFLUSHALL\r\n$1\r\nx\r\n',
      'damaged: FILE, byte 0: the command "FLUSHALL" is not supported',
    ],
    [
      'a newer export',
      '{"soulcaster-backup":"export","formatVersion":2}\n',
      'newer-format: FILE, line 1: it was written by a newer version: its format is 2',
    ],
  ])('is refused with one error: %s', async (_, content, expected) => {
    expect(await outcome(content)).toBe(`${expected}. Nothing was written`);
  });

  it('is a folder, is not there, or is a link to a file', async () => {
    await mkdir(join(bench.files, 'folder'));
    await expect(bench.staged(join(bench.files, 'folder'))).rejects.toMatchObject({ code: 'usage' });
    await expect(bench.staged(join(bench.files, 'none'))).rejects.toMatchObject({ code: 'not-found' });
    execFileSync('mkfifo', [join(bench.files, 'pipe')]);
    await expect(bench.staged(join(bench.files, 'pipe'))).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('it is not a regular file'),
    });
    await symlink(await bench.file('real.rdb', rdb), join(bench.files, 'link.rdb'));
    await (await bench.staged(join(bench.files, 'link.rdb'))).store.discard();
  });

  it('is a gigabyte without a line end: at most one line is in memory', async () => {
    const path = join(bench.files, 'long.jsonl');
    const handle = await open(path, 'w');
    await handle.write('{"key":"a","type":"string","value":"');
    await handle.truncate(1024 * 1024 * 1024);
    await handle.close();
    const before = process.memoryUsage().rss;
    await expect(bench.staged(path)).rejects.toMatchObject({
      message: expect.stringContaining('line 1: it has no end within 64 MiB'),
    });
    expect((process.memoryUsage().rss - before) / 1024 / 1024).toBeLessThan(250);
  });
});

describe('a part alone', () => {
  const part = (...lines: object[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

  it('is read up to its last complete record, and lacks the others', async () => {
    const path = await bench.file(
      'part.jsonl.gz',
      gzipSync(
        part(
          { k: 'before', t: 'list', i: 3, v: ['x'] },
          { k: 'before', t: 'list', i: 4, last: true, v: ['y'] },
          { k: 'whole', t: 'string', v: '1' },
          { k: 'gone', t: 'set', i: 0, v: ['x'] },
          { k: 'gone', t: 'set', i: 1, last: true, void: true, v: [] },
          { k: 'after', t: 'list', i: 0, v: ['x'] },
        ),
      ),
    );
    const staged = await bench.staged(path);
    await staged.store.discard();
    expect(staged.remarks).toEqual([expect.stringContaining('nothing in the file says where it ends')]);
    expect(staged.body).toMatchObject({
      state: 'incomplete',
      counts: { keys: 1 },
      imported: { format: 'records' },
      ledger: {
        failed: {
          count: 2,
          keys: [
            { key: 'before', reason: 'its first lines are in an earlier part' },
            { key: 'after', reason: 'its last lines are in a later part' },
          ],
        },
      },
    });
  });
});
