import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { compareSnapshot, type Comparison } from './compare.js';
import { writeSnapshot, type HandMade } from './hand-made-snapshot.js';
import { startTestDatabase, type TestDatabase } from './test-database.js';

const EXPIRY = 4_102_444_800_123;

const records = {
  text: { k: 'text', t: 'string', x: EXPIRY, v: 'grüße 👋' },
  bytes: { k: { b: '/wA=' }, t: 'string', v: { b: 'gP8=' } },
  hash: {
    k: 'hash',
    t: 'hash',
    v: [
      ['__proto__', '1'],
      ['b', ''],
    ],
  },
  list: { k: 'list', t: 'list', v: ['b', 'a', 'b'] },
  set: { k: 'set', t: 'set', v: ['y', 'x'] },
  zset: {
    k: 'zset',
    t: 'zset',
    v: [
      ['top', 'inf'],
      ['low', '-inf'],
      ['mid', '0.1'],
    ],
  },
  stream: {
    k: 'stream',
    t: 'stream',
    v: {
      entries: [
        ['1-1', ['f', 'v']],
        ['2-0', ['f', 'w', 'g', { b: '/w==' }]],
      ],
      lastId: '3-0',
      maxDeletedId: '3-0',
      entriesAdded: 3,
      groups: [
        {
          name: 'g',
          lastId: '2-0',
          entriesRead: 2,
          consumers: ['idle', 'busy'],
          pending: [['1-1', 'busy', 1_700_000_000_000, 2]],
        },
      ],
    },
  },
};

let database: TestDatabase;
let snapshot: HandMade | null = null;

beforeAll(async () => {
  database = await startTestDatabase();
  const { redis } = database;
  await redis.call('SET', 'text', 'grüße 👋', 'PXAT', EXPIRY);
  await redis.call('SET', Buffer.from([0xff, 0]), Buffer.from([0x80, 0xff]));
  await redis.call('HSET', 'hash', 'b', '', '__proto__', '1');
  await redis.call('RPUSH', 'list', 'b', 'a', 'b');
  await redis.call('SADD', 'set', 'x', 'y');
  await redis.call('ZADD', 'zset', '0.1', 'mid', '+inf', 'top', '-inf', 'low');
  await redis.call('XADD', 'stream', '1-1', 'f', 'v');
  await redis.call('XADD', 'stream', '2-0', 'f', 'w', 'g', Buffer.from([0xff]));
  await redis.call('XADD', 'stream', '3-0', 'gone', 'soon');
  await redis.call('XGROUP', 'CREATE', 'stream', 'g', '0');
  await redis.call('XREADGROUP', 'GROUP', 'g', 'busy', 'COUNT', '2', 'STREAMS', 'stream', '>');
  await redis.call('XCLAIM', 'stream', 'g', 'busy', '0', '1-1');
  await redis.call('XACK', 'stream', 'g', '2-0');
  await redis.call('XGROUP', 'CREATECONSUMER', 'stream', 'g', 'idle');
  await redis.call('XDEL', 'stream', '3-0');
});

afterEach(async () => {
  await snapshot?.remove();
  snapshot = null;
});

afterAll(() => database.stop());

async function compareWith(changed: Partial<Record<keyof typeof records, object | null>>): Promise<Comparison> {
  const lines = Object.values({ ...records, ...changed }).filter((record) => record !== null);
  snapshot = await writeSnapshot([lines.slice(0, 3), lines.slice(3)]);
  return compareSnapshot(database.url, snapshot.folder, snapshot.id);
}

const ALL = Object.keys(records).length;

describe('compareSnapshot', () => {
  it('finds every type equal when it is', async () => {
    const equal = { keys: ALL, onlyInRedis: 0, onlyInSnapshot: 0, different: 0, examples: [] };
    expect(await compareWith({})).toEqual(equal);
  });

  const { groups, ...streamRest } = records.stream.v;
  const [group] = groups;
  const pending = (...changed: unknown[]) => ({
    stream: { ...records.stream, v: { ...streamRest, groups: [{ ...group, ...Object.assign({}, ...changed) }] } },
  });
  const wrong: [string, Parameters<typeof compareWith>[0], RegExp][] = [
    ['a string', { text: { ...records.text, v: 'grüße' } }, /^different digest: "text"$/],
    ['an expiry', { text: { ...records.text, x: EXPIRY + 1 } }, /^different expiresAt: "text"$/],
    ['a lost expiry', { text: { k: 'text', t: 'string', v: 'grüße 👋' } }, /^different expiresAt: "text"$/],
    ['a type', { set: { ...records.set, t: 'list' } }, /^different type, digest: "set"$/],
    ['replaced bytes', { bytes: { ...records.bytes, v: '\ufffd\ufffd' } }, /^different digest: 0xff00$/],
    ['a lost field', { hash: { ...records.hash, v: [['b', '']] } }, /hash/],
    [
      'swapped field and value',
      {
        hash: {
          k: 'hash',
          t: 'hash',
          v: [
            ['1', '__proto__'],
            ['b', ''],
          ],
        },
      },
      /hash/,
    ],
    ['a field expiry', { hash: { ...records.hash, fx: [['b', EXPIRY]] } }, /hash/],
    ['a list in another order', { list: { ...records.list, v: ['a', 'b', 'b'] } }, /list/],
    ['a lost repetition', { list: { ...records.list, v: ['b', 'a'] } }, /list/],
    ['a lost member', { set: { ...records.set, v: ['x'] } }, /set/],
    [
      'a score',
      {
        zset: {
          ...records.zset,
          v: [
            ['top', 'inf'],
            ['low', '-inf'],
            ['mid', '0.1000000001'],
          ],
        },
      },
      /zset/,
    ],
    [
      'an infinite score',
      {
        zset: {
          ...records.zset,
          v: [
            ['top', '1'],
            ['low', '-inf'],
            ['mid', '0.1'],
          ],
        },
      },
      /zset/,
    ],
    ['an entry id', { stream: { ...records.stream, v: { ...streamRest, groups, entries: [] } } }, /stream/],
    ['the last id', { stream: { ...records.stream, v: { ...streamRest, groups, lastId: '2-0' } } }, /stream/],
    ['a lost group', { stream: { ...records.stream, v: { ...streamRest, groups: [] } } }, /stream/],
    ['a lost consumer', pending({ consumers: ['busy'] }), /stream/],
    ['a delivery count', pending({ pending: [['1-1', 'busy', 0, 1]] }), /stream/],
    ['a pending owner', pending({ pending: [['1-1', 'idle', 0, 2]] }), /stream/],
  ];

  it.each(wrong)('finds %s that differs', async (_, changed, example) => {
    const found = await compareWith(changed);
    expect(found).toMatchObject({ keys: ALL, onlyInRedis: 0, onlyInSnapshot: 0, different: 1 });
    expect(found.examples).toEqual([expect.stringMatching(example)]);
  });

  it('leaves out when a pending entry was delivered, and how a score is printed', async () => {
    const scores = [
      ['mid', '0.10000000000000001'],
      ['top', '+Inf'],
      ['low', '-inf'],
    ];
    const found = await compareWith({
      ...pending({ consumers: ['busy', 'idle'], pending: [['1-1', 'busy', 5, 2]] }),
      zset: { ...records.zset, v: scores },
    });
    expect(found.different).toBe(0);
  });

  it('finds a missing key', async () => {
    const found = await compareWith({ list: null });
    expect(found).toMatchObject({ keys: ALL - 1, onlyInRedis: 1, onlyInSnapshot: 0, different: 0 });
    expect(found.examples).toEqual(['only in Redis: "list"']);
  });

  it('finds a key too many', async () => {
    const found = await compareWith({ list: { ...records.list, k: 'other list' } });
    expect(found).toMatchObject({ keys: ALL - 1, onlyInRedis: 1, onlyInSnapshot: 1, different: 0 });
    expect(found.examples).toEqual(['only in the snapshot: "other list"', 'only in Redis: "list"']);
  });

  it('finds a key that stands twice and is no double', async () => {
    snapshot = await writeSnapshot([Object.values(records), [records.text]]);
    const found = await compareSnapshot(database.url, snapshot.folder, snapshot.id);
    expect(found).toMatchObject({ keys: ALL, different: 1, examples: ['twice in the snapshot: "text"'] });
  });
});
