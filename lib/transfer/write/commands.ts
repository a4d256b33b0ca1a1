import { isUtf8 } from 'node:buffer';
import { allLines } from '../../restore/unite/members.js';
import {
  toArgument as timeArgument,
  fitsSet,
  endsRecord,
  type RecordLine,
  type StreamValue,
} from '../../snapshot/record.js';
import type { RedisArgument, RedisCommand } from '../../ports/redis.js';
import { RUN_ASSEMBLED } from '../../restore/write/pages.js';
import { valueCommands } from '../../restore/write/commands.js';
import { toArgument } from '../../restore/write/size.js';
import { countersCommand, lastIdCommands, createCommand, membersOf } from '../../restore/write/stream.js';
import type { SourceRecord } from '../../snapshot/source-records.js';
import type { Text } from '../../soulcaster/text.js';

/** Abilities of a target. `counters`: accepts the counters of streams and their groups; Upstash does not. */
interface CommandOptions {
  readonly counters: boolean;
}

/**
 * The commands that write a key's record over any existing value. `isUnion`: members are added to an existing set.
 */
export async function* recordCommands(
  { first, rest }: SourceRecord,
  { counters }: CommandOptions,
  isUnion = false,
): AsyncGenerator<RedisCommand> {
  const key = toArgument(first.k);
  if (first.t === 'string') {
    yield* stringCommands(key, first, rest);
  } else {
    if (!isUnion) yield ['UNLINK', key];
    let lastEntry: string | null = null;
    for await (const line of allLines(first, rest)) {
      for (const { command } of valueCommands(key, line)) yield command;
      if (line.t !== 'stream') continue;
      const value = line.v as StreamValue;
      lastEntry = value.entries.at(-1)?.[0] ?? lastEntry;
      if (endsRecord(line)) yield* streamCommands(key, lastEntry, value, counters);
    }
  }
  const isSet = first.t === 'string' && rest === null && (first.x === undefined || fitsSet(first.x));
  if (first.x !== undefined && !isSet && !isUnion) yield ['PEXPIREAT', key, timeArgument(first.x)];
}

async function* stringCommands(
  key: RedisArgument,
  first: RecordLine,
  rest: AsyncIterable<RecordLine> | null,
): AsyncGenerator<RedisCommand> {
  const value = toArgument(first.v as Text);
  const expires = rest === null && first.x !== undefined && fitsSet(first.x);
  yield expires ? ['SET', key, value, 'PXAT', timeArgument(first.x ?? 0)] : ['SET', key, value];
  for await (const line of rest ?? []) yield ['APPEND', key, toArgument(line.v as Text)];
}

function* streamCommands(
  key: RedisArgument,
  lastEntry: string | null,
  value: StreamValue,
  counters: boolean,
): Generator<RedisCommand> {
  yield* lastIdCommands(key, lastEntry, value);
  const counting = counters ? countersCommand(key, value) : null;
  if (counting !== null) yield counting;
  for (const group of value.groups ?? []) {
    yield createCommand(key, counters ? group : { ...group, entriesRead: null });
    for (const { command } of membersOf(key, group)) yield command;
  }
}

/** A command in the form of `redis-cli --pipe`. */
export function encodeResp(command: RedisCommand): Buffer {
  const pieces: Buffer[] = [Buffer.from(`*${command.length}\r\n`)];
  for (const argument of command) {
    const bytes = argumentBytes(argument);
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF);
  }
  return Buffer.concat(pieces);
}

const CRLF = Buffer.from('\r\n');

function argumentBytes(argument: RedisArgument): Buffer {
  if (typeof argument !== 'object') return Buffer.from(String(argument));
  return Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength);
}

const BODY_BYTES = 512 * 1024;
const BODY_COMMANDS = 500;

/** Collects commands into bodies for POST /pipeline, one line of JSON each. */
export class BodyBuilder {
  private open: string[] = [];
  private bytes = 0;

  /** Returns the previous line, with its line end, when the command does not fit into it. */
  add(command: RedisCommand): string | null {
    const text = JSON.stringify(toJsonCommand(command));
    const full = this.open.length > 0 && (this.bytes + text.length > BODY_BYTES || this.open.length >= BODY_COMMANDS);
    const line = full ? this.end() : null;
    this.open.push(text);
    this.bytes += text.length;
    return line;
  }

  end(): string | null {
    if (this.open.length === 0) return null;
    const line = `[${this.open.join(',')}]\n`;
    [this.open, this.bytes] = [[], 0];
    return line;
  }
}

/** JSON can carry only text: a command with other bytes is sent as a script with hex arguments. */
function toJsonCommand(command: RedisCommand): (string | number)[] {
  const isBinary = (argument: RedisArgument): argument is Uint8Array =>
    typeof argument === 'object' && !isUtf8(argument);
  const plain = (argument: RedisArgument): string | number =>
    typeof argument === 'object' ? argumentBytes(argument).toString('utf8') : argument;
  if (!command.some(isBinary)) return command.map(plain);
  const kinds = command.map((argument) => (isBinary(argument) ? 'x' : 't')).join('');
  const args = command.map((argument) =>
    isBinary(argument) ? argumentBytes(argument).toString('hex') : String(plain(argument)),
  );
  return ['EVAL', RUN_ASSEMBLED, 0, kinds, ...args];
}
