import { isUtf8 } from 'node:buffer';
import type { RedisArgument, RedisCommand } from '../../ports/redis.js';
import type { Writer } from './model.js';
import { writePieces } from './pieces.js';
import { wireBytes } from './size.js';

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
export async function assemble(writer: Writer, command: RedisCommand): Promise<Assembled> {
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
