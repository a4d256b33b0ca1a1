import type { Redis } from 'ioredis';
import type { RecordLine, StreamValue } from '../../../lib/snapshot/record.js';
import { fromText, type Text } from '../../../lib/soulcaster/text.js';
import { call } from '../../support/redis-calls.js';

type Argument = string | Buffer;

/** One change of one key, and what a comparison has to say of it. */
export interface Mutation {
  readonly told: 'type' | 'expiry' | 'value' | 'absent';
  readonly commands: readonly (readonly [name: string, ...args: Argument[]])[];
}

const FAR = 4_102_444_900_000;

/** All single changes that this record lends itself to. */
export function mutationsOf(first: RecordLine): Mutation[] {
  const key = fromText(first.k);
  const restored = first.x === undefined ? [] : ([['PEXPIREAT', key, String(first.x)]] as const);
  const other = first.t === 'list' ? (['SADD', key, 'x'] as const) : (['RPUSH', key, 'x'] as const);
  return [
    { told: 'absent', commands: [['DEL', key]] },
    { told: 'type', commands: [['DEL', key], other, ...restored] },
    { told: 'expiry', commands: [['PEXPIREAT', key, String(BigInt(first.x ?? FAR) + 1n)]] },
    ...(first.x === undefined ? [] : [{ told: 'expiry', commands: [['PERSIST', key]] } as const]),
    ...valueMutations(first, key).map((commands): Mutation => ({ told: 'value', commands })),
  ];
}

function valueMutations(first: RecordLine, key: Buffer): Mutation['commands'][] {
  switch (first.t) {
    case 'string':
      return [[['APPEND', key, 'x']], [['SETRANGE', key, '70', '\u0001']]];
    case 'list':
      return listMutations(first.v as readonly Text[], key);
    case 'set':
      return memberMutations('SADD', 'SREM', key, first.v as readonly Text[]);
    case 'hash':
      return hashMutations(first.v as readonly (readonly [Text, Text])[], key);
    case 'zset':
      return zsetMutations(first.v as readonly (readonly [Text, string])[], key);
    case 'stream':
      return streamMutations(first.v as StreamValue, key);
    case 'json':
      return [];
  }
}

function listMutations(items: readonly Text[], key: Buffer): Mutation['commands'][] {
  const different = items.findIndex((item) => JSON.stringify(item) !== JSON.stringify(items[0]));
  const swap: Mutation['commands'][] =
    different < 1
      ? []
      : [
          [
            ['LSET', key, '0', bytes(items[different])],
            ['LSET', key, String(different), bytes(items[0])],
          ],
        ];
  return [[['RPUSH', key, 'x']], [['LPUSH', key, '']], [['LSET', key, '-1', 'another']], ...swap];
}

function memberMutations(add: string, remove: string, key: Buffer, members: readonly Text[]): Mutation['commands'][] {
  return [
    [[add, key, 'a new member']],
    [
      [add, key, 'another member'],
      [remove, key, bytes(members[0])],
    ],
  ];
}

function hashMutations(pairs: readonly (readonly [Text, Text])[], key: Buffer): Mutation['commands'][] {
  const [field, value] = pairs.at(-1) ?? ['', ''];
  const changed = Buffer.concat([bytes(value), Buffer.from([0])]);
  return [
    [['HSET', key, bytes(field), changed]],
    [['HSET', key, 'a new field', bytes(value)]],
    [
      ['HSET', key, 'another field', bytes(value)],
      ['HDEL', key, bytes(field)],
    ],
  ];
}

function zsetMutations(pairs: readonly (readonly [Text, string])[], key: Buffer): Mutation['commands'][] {
  const [member, score] = pairs.at(-1) ?? ['', '0'];
  return [
    [['ZADD', key, score === '0.30000000000000004' ? '0.1' : '0.30000000000000004', bytes(member)]],
    [['ZADD', key, score === '-inf' ? 'inf' : '-inf', bytes(member)]],
    [['ZADD', key, score, 'a new member']],
    [
      ['ZADD', key, score, 'another member'],
      ['ZREM', key, bytes(member)],
    ],
  ];
}

function streamMutations(value: StreamValue, key: Buffer): Mutation['commands'][] {
  const entry = value.entries[0]?.[0];
  const readers = value.groups?.find(({ name }) => name === 'readers');
  const [pending, consumer] = readers?.pending[0] ?? [];
  const always: Mutation['commands'][] = [
    [['XADD', key, '*', 'f', 'v']],
    [['XSETID', key, '9999999999999-7']],
    [['XGROUP', 'CREATE', key, 'a new group', '0']],
    [['XGROUP', 'DESTROY', key, 'readers']],
    [['XGROUP', 'SETID', key, 'readers', '9999999999998-1']],
    [['XGROUP', 'CREATECONSUMER', key, 'readers', 'a new consumer']],
    [['XGROUP', 'DELCONSUMER', key, 'readers', 'idle']],
  ];
  if (entry !== undefined) always.push([['XDEL', key, entry]]);
  if (pending === undefined || consumer === undefined) return always;
  const claim = ['XCLAIM', key, 'readers', bytes(consumer), '0', pending] as const;
  return [
    ...always,
    [['XACK', key, 'readers', pending]],
    [[...claim, 'RETRYCOUNT', '77', 'TIME', deliveredAt(value)]],
    [[...claim, 'JUSTID', 'TIME', '1000000000000']],
    [['XCLAIM', key, 'readers', 'idle', '0', pending, 'JUSTID', 'TIME', deliveredAt(value)]],
  ];
}

function deliveredAt(value: StreamValue): string {
  return String(value.groups?.find(({ name }) => name === 'readers')?.pending[0]?.[2] ?? 0);
}

function bytes(text: Text | undefined): Buffer {
  return fromText(text ?? '');
}

export async function apply(redis: Redis, { commands }: Mutation): Promise<void> {
  for (const command of commands) await call(redis, command);
}
