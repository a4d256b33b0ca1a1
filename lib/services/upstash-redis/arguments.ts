import { isUtf8 } from 'node:buffer';
import { AppError } from '../../errors.js';
import type { RedisArgument, RedisCommand } from '../../ports/redis.js';

/** Lua's `unpack` puts every argument on a stack of 8,000 slots (LUAI_MAXCSTACK); the rest is left to the script. */
const MAX_BINARY_ARGUMENTS = 7_000;

/**
 * Runs one command whose arguments JSON cannot carry. ARGV[1] says of each argument that follows whether it is text
 * (`t`) or hex (`x`). `pcall` hands back the command's own error; `call` would add the script's name and line to it.
 */
const RUN_BINARY = `local byte = {}
for i = 0, 255 do byte[string.format('%02x', i)] = string.char(i) end
local command = {}
for i = 2, #ARGV do
  if string.byte(ARGV[1], i - 1) == 120 then
    command[i - 1] = (string.gsub(ARGV[i], '%x%x', byte))
  else
    command[i - 1] = ARGV[i]
  end
end
return redis.pcall(unpack(command))`;

/** Commands that only read: their script may not write either, so that a server or a token that forbids it lets them by. */
const READS: ReadonlySet<string> = new Set(
  [
    'EXISTS TYPE PTTL PEXPIRETIME HPEXPIRETIME GET GETRANGE STRLEN MGET HGETALL HMGET HLEN HSCAN SMEMBERS SISMEMBER',
    'SMISMEMBER SCARD SSCAN ZRANGE ZSCORE ZCARD ZSCAN LRANGE LINDEX LLEN XRANGE XREVRANGE XLEN XINFO XPENDING JSON.GET',
  ]
    .join(' ')
    .split(' '),
);

export interface EncodedBatch {
  /** The JSON array of the commands, as UTF-8. */
  readonly body: Buffer;
  /** How many commands Upstash bills for it: a script's inner command counts as one more. */
  readonly billed: number;
  /** Places of the commands that go as scripts. */
  readonly scripts: readonly number[];
}

/** What runs the scripts of reading commands: EVAL_RO, or EVAL where the token may not run the other. */
export type ReadScript = 'EVAL_RO' | 'EVAL';

/** Encodes commands for `/pipeline` and `/multi-exec`. Throws `redis-reply-too-large` when a script could not take one. */
export function encodeBatch(commands: readonly RedisCommand[], readScript: ReadScript = 'EVAL_RO'): EncodedBatch {
  let billed = 0;
  const scripts: number[] = [];
  const batch = commands.map((command, at) => {
    const texts = command.map(toText);
    if (texts.every((text) => text !== null)) {
      billed += 1;
      return texts;
    }
    billed += 2;
    scripts.push(at);
    return wrap(command, texts, readScript);
  });
  return { body: Buffer.from(JSON.stringify(batch)), billed, scripts };
}

/** The argument as JSON text, or null when its bytes are no valid UTF-8 and would be replaced on the way. */
function toText(argument: RedisArgument): string | null {
  if (typeof argument === 'string') return argument;
  if (typeof argument === 'number') return String(argument);
  if (!isUtf8(argument)) return null;
  return view(argument).toString('utf8');
}

function wrap(command: RedisCommand, texts: readonly (string | null)[], readScript: ReadScript): string[] {
  if (command.length > MAX_BINARY_ARGUMENTS) {
    throw new AppError('redis-reply-too-large', `A command with binary arguments has ${command.length} of them`, {
      hint: `Send at most ${MAX_BINARY_ARGUMENTS} arguments at a time when some are not valid UTF-8.`,
    });
  }
  let kinds = '';
  const args = command.map((argument, index) => {
    const text = texts[index] ?? null;
    kinds += text === null ? 'x' : 't';
    return text ?? view(argument as Uint8Array).toString('hex');
  });
  return [READS.has(command[0]) ? readScript : 'EVAL', RUN_BINARY, '0', kinds, ...args];
}

/** Longest path of a request; servers refuse longer ones. */
const MAX_PATH = 6_000;

/**
 * The path of a request that runs the command, byte for byte (`/pexpiretime/%FF`); null when it would be too long. Unlike
 * a script it answers integers to the last digit.
 */
export function pathOf(command: RedisCommand): `/${string}` | null {
  const segments = command.map((argument) => {
    const bytes = typeof argument === 'object' ? view(argument) : Buffer.from(String(argument));
    return bytes
      .toString('latin1')
      .replace(/[^A-Za-z0-9_-]/g, (byte) => `%${Buffer.from(byte, 'latin1').toString('hex')}`);
  });
  const path = `/${segments.join('/')}` as const;
  return path.length <= MAX_PATH && segments.every((segment) => segment !== '') ? path : null;
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
