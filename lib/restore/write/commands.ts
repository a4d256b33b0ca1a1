import { toArgument as timeArgument, type RecordLine, type StreamValue } from '../../snapshot/record.js';
import type { RedisArgument, RedisCommand, SentCommand } from '../../ports/redis.js';
import type { Text } from '../../soulcaster/text.js';
import { COMMAND_ELEMENTS, PAGE_BYTES, toArgument, wireBytes } from './size.js';
import type { BatchItem } from './writer.js';

/** A command that adds to a value, and its share of a page. */
export interface ValueCommand {
  readonly command: RedisCommand;
  readonly wire: number;
  readonly elements: number;
}

const ADDS = { hash: 'HSET', zset: 'ZADD', list: 'RPUSH', set: 'SADD' } as const;

/** The commands that add an ordinary record to the value of `name`; not for strings, see `valueCommands`. */
export function itemCommands(name: RedisArgument, { args, line }: BatchItem): SentCommand[] {
  if (args === null || line.t === 'string' || line.t === 'stream') {
    return Array.from(valueCommands(name, line), ({ command }) => command);
  }
  return [line.t === 'json' ? ['JSON.SET', name, '$', args] : [ADDS[line.t], name, args]];
}

/**
 * The commands that add a line's elements to the value of `key`; an element larger than a page has a command of itself.
 * Not for strings: how they are written depends on the destination.
 */
export function* valueCommands(key: RedisArgument, line: RecordLine, pageBytes = PAGE_BYTES): Generator<ValueCommand> {
  switch (line.t) {
    case 'string':
      throw new TypeError('strings are not written in elements');
    case 'json':
      yield withWireSize(['JSON.SET', key, '$', toArgument(line.v as Text)], 1);
      return;
    case 'hash':
      yield* batchElements([ADDS.hash, key], pairsOf(line), pageBytes);
      yield* expiryCommands(key, line, pageBytes);
      return;
    case 'zset':
      yield* batchElements([ADDS.zset, key], scoresOf(line), pageBytes);
      return;
    case 'list':
    case 'set':
      yield* batchElements([ADDS[line.t], key], itemsOf(line), pageBytes);
      return;
    case 'stream':
      for (const [id, fields] of (line.v as StreamValue).entries)
        yield withWireSize(['XADD', key, id, ...fields.map(toArgument)], 1);
  }
}

function* itemsOf(line: RecordLine): Generator<RedisArgument[]> {
  for (const item of line.v as readonly Text[]) yield [toArgument(item)];
}

function* pairsOf(line: RecordLine): Generator<RedisArgument[]> {
  for (const [field, value] of line.v as readonly (readonly [Text, Text])[])
    yield [toArgument(field), toArgument(value)];
}

/**
 * Redis stores a small zset in an encoding that has no -0, until a long member or many members make it convert. So
 * these scores are written last, when the encoding is the one that the original zset had.
 */
function* scoresOf(line: RecordLine): Generator<RedisArgument[]> {
  const pairs = line.v as readonly (readonly [Text, string])[];
  const negativeZeros: RedisArgument[][] = [];
  for (const [member, score] of pairs) {
    if (score === '-0') negativeZeros.push([score, toArgument(member)]);
    else yield [score, toArgument(member)];
  }
  const length = ([, member = '']: RedisArgument[]): number => wireBytes(member);
  yield* negativeZeros.sort((a, b) => length(b) - length(a));
}

function* expiryCommands(key: RedisArgument, line: RecordLine, pageBytes: number): Generator<ValueCommand> {
  const byTime = new Map<RedisArgument, RedisArgument[]>();
  for (const [field, expiry] of line.fx ?? []) {
    const time = timeArgument(expiry);
    const fields = byTime.get(time);
    if (fields === undefined) byTime.set(time, [toArgument(field)]);
    else fields.push(toArgument(field));
  }
  for (const [time, fields] of byTime) {
    for (const { command, wire, elements } of batchElements(
      ['HPEXPIREAT', key],
      fields.map((field) => [field]),
      pageBytes,
    )) {
      const names = command.slice(2);
      yield { command: ['HPEXPIREAT', key, time, 'FIELDS', names.length, ...names], wire, elements };
    }
  }
}

function* batchElements(
  head: readonly [string, RedisArgument],
  elements: Iterable<readonly RedisArgument[]>,
  pageBytes: number,
): Generator<ValueCommand> {
  let args: RedisArgument[] = [];
  let [wire, count] = [0, 0];
  for (const element of elements) {
    const size = element.reduce<number>((sum, argument) => sum + wireBytes(argument), 0);
    if (count > 0 && (count === COMMAND_ELEMENTS || wire + size > pageBytes)) {
      yield { command: [...head, ...args], wire, elements: count };
      args = [];
      wire = count = 0;
    }
    args.push(...element);
    wire += size;
    count += 1;
  }
  if (count > 0) yield { command: [...head, ...args], wire, elements: count };
}

export function withWireSize(command: RedisCommand, elements: number): ValueCommand {
  return { command, wire: command.reduce<number>((sum, argument) => sum + wireBytes(argument), 0), elements };
}
