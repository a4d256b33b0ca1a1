import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RecordLine } from '../../../lib/snapshot/record.js';
import { batch, openDatabase, type Command, type Reply } from '../../support/redis-calls.js';
import { openTarget, recordsOf, type Target } from './write-bench.js';

const ELEMENTS = 60;

/** Every element of every key says which version it is of; half of the keys come in three lines. */
function version(name: string, keys: number): (RecordLine | RecordLine[])[] {
  return Array.from({ length: keys }, (_, at) => {
    const k = `key:${at}`;
    const t = (['string', 'hash', 'list', 'stream'] as const)[at % 4] ?? 'string';
    const third = ELEMENTS / 3;
    const lines = [0, 1, 2].map((i) => ({ k, t, i, v: valueOf(t, name, i * third, third), ...(i === 2 ? last : {}) }));
    const whole: RecordLine = { k, t, v: valueOf(t, name, 0, ELEMENTS) };
    return at % 8 < 4 ? whole : lines;
  });
}

const last = { last: true } as const;

function valueOf(t: string, name: string, from: number, count: number): RecordLine['v'] {
  const names = Array.from({ length: count }, (_, at) => String(from + at));
  if (t === 'string') return name.repeat(count);
  if (t === 'list') return names.map(() => name);
  if (t === 'hash') return names.map((field) => [field, name] as const);
  const tail = from + count === ELEMENTS ? { lastId: `1-${ELEMENTS}`, groups: [] } : {};
  return { entries: names.map((id) => [`1-${Number(id) + 1}`, ['f', name]] as const), ...tail };
}

function reads(key: string, at: number): Command {
  const commands: Command[] = [
    ['GET', key],
    ['HVALS', key],
    ['LRANGE', key, '0', '-1'],
    ['XRANGE', key, '-', '+'],
  ];
  return commands[at % 4] ?? ['GET', key];
}

/** The versions that a reply is made of, and of how many elements. */
function seen(reply: Reply): string {
  const text = flat(reply).join('').replace(/[^ab]/g, '');
  return `${[...new Set(text)].join('')}${text.length}`;
}

function flat(reply: Reply): string[] {
  if (Array.isArray(reply)) return reply.flatMap(flat);
  return reply === null ? [] : [reply.toString()];
}

describe('a client that reads during a restore', () => {
  let target: Target;
  beforeAll(async () => {
    target = await openTarget();
  });
  afterAll(() => target.stop());

  it('sees each key whole, old or new, and never absent', async () => {
    const keys = 16;
    await target.write(recordsOf(...version('a', keys)));
    const reader = openDatabase(target.database.url);
    const found = new Map<string, number>();
    const over = new AbortController();
    const polling = (async () => {
      const commands = Array.from({ length: keys }, (_, at) => reads(`key:${at}`, at));
      while (!over.signal.aborted) {
        for (const reply of await batch(reader, commands)) {
          found.set(seen(reply), (found.get(seen(reply)) ?? 0) + 1);
        }
      }
    })();
    for (let round = 1; round <= 10; round++) {
      await target.write(recordsOf(...version(round % 2 === 0 ? 'a' : 'b', keys)));
    }
    over.abort();
    await polling;
    reader.disconnect();
    expect([...found.keys()].sort()).toEqual([`a${ELEMENTS}`, `b${ELEMENTS}`]);
  });
});
