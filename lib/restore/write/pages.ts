import { isUtf8 } from 'node:buffer';
import type { RedisCommand, RedisReply, RedisArgument } from '../../ports/redis.js';
import type { ValueCommand } from './commands.js';
import { PAGE_ELEMENTS, STAGED_TTL_MS, PAGE_BYTES, wireBytes } from './size.js';
import type { Writer, Wire } from './writer.js';
import { valuesOf } from './errors.js';

/** Commands that are sent in one transaction. */
interface Page {
  readonly commands: readonly RedisCommand[];
  readonly elements: number;
}

/** Gathers commands into pages. A command of a page's size or more is a page alone. */
export async function* pagesOf(
  commands: AsyncIterable<ValueCommand> | Iterable<ValueCommand>,
  pageBytes: number,
): AsyncGenerator<Page> {
  let page: RedisCommand[] = [];
  let [wire, elements] = [0, 0];
  for await (const next of commands) {
    const full = wire + next.wire > pageBytes || elements + next.elements > PAGE_ELEMENTS;
    if (full && page.length > 0) {
      yield { commands: page, elements };
      page = [];
      wire = elements = 0;
    }
    page.push(next.command);
    wire += next.wire;
    elements += next.elements;
  }
  if (page.length > 0) yield { commands: page, elements };
}

/**
 * Sends a page for a staged key in one transaction, followed by the commands of `after`, and renews the key's expiry.
 * Returns the replies to the page's commands, then to those of `after`.
 */
export async function sendPage(
  writer: Writer,
  name: string,
  page: readonly RedisCommand[],
  after: readonly RedisCommand[] = [],
): Promise<RedisReply[]> {
  const pieces: string[] = [];
  try {
    const ready: RedisCommand[] = [];
    for (const command of page) {
      const assembled = await assemble(writer, command);
      pieces.push(...assembled.pieces);
      ready.push(assembled.command);
    }
    const replies = await writer.wire.transaction([...ready, ...after, ['PEXPIRE', name, STAGED_TTL_MS]]);
    return replies.slice(0, -1);
  } finally {
    await writer.wire.sweep(pieces);
  }
}

/** Cuts bytes into pieces of `size` (4 or more) without splitting characters: a split one would have to be sent as hex. */
export function* piecesOf(bytes: Buffer, size: number = PAGE_BYTES): Generator<Buffer> {
  for (let from = 0; from < bytes.length;) {
    const end = from + size >= bytes.length ? bytes.length : characterStart(bytes, from + size);
    yield bytes.subarray(from, end);
    from = end;
  }
}

/** The nearest position at or before `at` that splits no UTF-8 sequence (they have 4 bytes at most). */
function characterStart(bytes: Buffer, at: number): number {
  for (let back = 0; back < 4; back++) {
    if (((bytes[at - back] ?? 0) & 0xc0) !== 0x80) return at - back;
  }
  return at;
}

/** Writes bytes into a staged string at an offset; returns the offset after them. */
export async function writePieces(wire: Wire, name: string, bytes: Buffer, offset: number): Promise<number> {
  let at = offset;
  for (const piece of piecesOf(bytes, wire.pageBytes)) {
    // Each piece sets the expiry again: a delayed request may recreate a key that was already renamed.
    const commands: RedisCommand[] = [
      ['SETRANGE', name, at, piece],
      ['PEXPIRE', name, STAGED_TTL_MS],
    ];
    valuesOf(await wire.transaction(commands), commands);
    at += piece.length;
  }
  return at;
}

/**
 * Runs one command with some arguments read from strings of the database. ARGV[1] says of each following argument
 * whether it is text (`t`), hex (`x`) or the name of the string that holds it (`g`). A missing string is an error, not
 * an empty argument: this is a second try, after the first one completed.
 */
export const RUN_ASSEMBLED = `local byte = {}
for i = 0, 255 do byte[string.format('%02x', i)] = string.char(i) end
local command = {}
for i = 2, #ARGV do
  local kind = string.sub(ARGV[1], i - 1, i - 1)
  if kind == 'x' then
    command[i - 1] = (string.gsub(ARGV[i], '%x%x', byte))
  elseif kind == 'g' then
    local value = redis.call('GET', ARGV[i])
    if not value then return redis.error_reply('ERR piece is gone') end
    command[i - 1] = value
  else
    command[i - 1] = ARGV[i]
  end
end
return redis.pcall(unpack(command))`;

interface Assembled {
  readonly command: RedisCommand;
  /** Staged strings to remove once the command was run. */
  readonly pieces: readonly string[];
}

function isOversized(argument: RedisArgument, pageBytes: number): boolean {
  return wireBytes(argument) > pageBytes;
}

/**
 * Stages the arguments that are too large for one request, and returns a command that reads them from there.
 * `command[1]` is the key that it writes to, which must be text.
 */
async function assemble(writer: Writer, command: RedisCommand): Promise<Assembled> {
  const { pageBytes } = writer.wire;
  if (!command.some((argument) => isOversized(argument, pageBytes))) return { command, pieces: [] };
  const pieces: string[] = [];
  const args: RedisArgument[] = [];
  let kinds = '';
  try {
    for (const argument of command) {
      if (isOversized(argument, pageBytes)) {
        const name = writer.stagedName();
        pieces.push(name);
        await writePieces(writer.wire, name, toBuffer(argument), 0);
        kinds += 'g';
        args.push(name);
      } else if (typeof argument === 'object' && !isUtf8(argument)) {
        kinds += 'x';
        args.push(toBuffer(argument).toString('hex'));
      } else {
        kinds += 't';
        args.push(argument);
      }
    }
  } catch (error) {
    await writer.wire.sweep(pieces);
    throw error;
  }
  const keys = [command[1] ?? '', ...pieces];
  return { command: ['EVAL', RUN_ASSEMBLED, keys.length, ...keys, kinds, ...args], pieces };
}

function toBuffer(argument: RedisArgument): Buffer {
  return typeof argument === 'object' ? Buffer.from(argument) : Buffer.from(String(argument), 'utf8');
}
