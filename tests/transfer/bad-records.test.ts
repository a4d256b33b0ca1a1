import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { openTransferBench, type TransferBench } from './transfer-bench.js';

let bench: TransferBench;
beforeAll(async () => {
  bench = await openTransferBench();
});
afterAll(() => bench.stop());

const ours = (line: object): string => `{"k":"a","t":"string","v":"1"}\n${JSON.stringify(line)}\n`;
const stream = (entries: unknown, lastId: string) => ({ k: 'b', t: 'stream', v: { entries, lastId } });
const group = (...times: number[]) => ({
  name: 'g',
  lastId: '5-1',
  entriesRead: null,
  consumers: ['c'],
  pending: times.map((at) => ['5-1', 'c', at, 1]),
});

it.each([
  [
    'a key without members',
    ours({ k: 'b', t: 'list', v: [] }),
    'damaged: FILE, line 2: its value is empty, which a list cannot be',
  ],
  [
    'the expiry of a field that is not there',
    ours({ k: 'b', t: 'hash', v: [['f', 'v']], fx: [['g', 4102444800000]] }),
    'damaged: FILE, line 2: it has an expiry for a field that it does not have',
  ],
  [
    'an id that Redis would write otherwise',
    ours(stream([['01-1', ['f', 'v']]], '5-1')),
    'damaged: FILE, line 2: its value is not valid for a stream',
  ],
  [
    'two groups of one name',
    ours({ k: 'b', t: 'stream', v: { entries: [], lastId: '5-1', groups: [group(), group()] } }),
    'damaged: FILE, line 2: its value is not valid for a stream',
  ],
  [
    'an entry that is pending twice',
    ours({ k: 'b', t: 'stream', v: { entries: [], lastId: '5-1', groups: [group(1, 2)] } }),
    'damaged: FILE, line 2: its value is not valid for a stream',
  ],
  [
    'an entry that was delivered before all time',
    ours({ k: 'b', t: 'stream', v: { entries: [], lastId: '5-1', groups: [group(-1)] } }),
    'damaged: FILE, line 2: its value is not valid for a stream',
  ],
  ['an array of no key', '[]\n', 'invalid: FILE: it holds no keys'],
  ['commands that make no key', '*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n', 'invalid: FILE: it holds no keys'],
  [
    'what follows an array',
    '[{"key":"a","type":"string","value":"v"}\n]\n{"key":"b","type":"string","value":"v"}\n',
    'damaged: FILE, line 3: something follows the document',
  ],
  [
    'an option of a command',
    '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*4\r\n$6\r\nEXPIRE\r\n$1\r\nk\r\n$1\r\n9\r\n$2\r\nNX\r\n',
    'damaged: FILE, byte 27: a command lacks an argument, or has an option that is not supported',
  ],
])('records that no database can hold are refused before anything is written: %s', async (_, content, expected) => {
  const path = await bench.file('bad', content);
  const [code = '', words = ''] = expected.split(/: (.*)/);
  const message = `${words.replace('FILE', JSON.stringify(path))}. Nothing was written`;
  await expect(bench.staged(path)).rejects.toMatchObject({ code, message });
});
