import { isUtf8 } from 'node:buffer';
import { AppError } from '../../errors.js';
import {
  decodedCommand,
  JsonArguments,
  type RedisArgument,
  type RedisCommand,
  type SentCommand,
} from '../../ports/redis.js';

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
    'SMISMEMBER SCARD SSCAN ZRANGE ZSCORE ZCARD ZSCAN LRANGE LINDEX LLEN XRANGE XREVRANGE XLEN XINFO XPENDING JSON.GET ZMSCORE',
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
export function encodeBatch(commands: readonly SentCommand[], readScript: ReadScript = 'EVAL_RO'): EncodedBatch {
  let billed = 0;
  const scripts: number[] = [];
  json.clear();
  json.mark('[');
  for (const [at, command] of commands.entries()) {
    if (at > 0) json.mark(',');
    const before = json.length;
    if (json.addStrings(command)) {
      billed += 1;
    } else {
      json.cut(before);
      json.addStrings(wrap(decodedCommand(command), readScript));
      billed += 2;
      scripts.push(at);
    }
  }
  json.mark(']');
  return { body: json.copy(), billed, scripts };
}

/** A scratch buffer that one large batch has made larger than this is not kept. */
const KEPT_BYTES = 1024 * 1024;
const SCRATCH_BYTES = 64 * 1024;
const [QUOTE, BACKSLASH] = [0x22, 0x5c];

/**
 * JSON as bytes, in one buffer that is used again. Most arguments are names in plain ASCII, which are copied as they are:
 * no text is made of them.
 */
class JsonBuffer {
  private bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  length = 0;

  clear(): void {
    this.length = 0;
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  }

  cut(length: number): void {
    this.length = length;
  }

  copy(): Buffer {
    return Buffer.from(this.bytes.subarray(0, this.length));
  }

  mark(char: string): void {
    this.reserve(1);
    this.bytes[this.length++] = char.charCodeAt(0);
  }

  /** Adds a list of strings; false, with part of it written, when the bytes of one are no UTF-8. */
  addStrings(command: readonly (RedisArgument | JsonArguments)[]): boolean {
    for (let at = 0; at < command.length; at++) {
      this.mark(at === 0 ? '[' : ',');
      const argument = command[at] as RedisArgument | JsonArguments;
      if (argument instanceof JsonArguments) {
        this.addJson(argument);
      } else if (typeof argument === 'object') {
        if (!this.addPlain(argument) && !this.addBytes(argument)) return false;
      } else {
        this.addText(String(argument));
      }
    }
    this.mark(']');
    return true;
  }

  /** Whether the bytes stand in JSON as they are; else nothing is added. */
  private addPlain(bytes: Uint8Array): boolean {
    this.reserve(bytes.length + 2);
    const target = this.bytes;
    let to = this.length;
    target[to++] = QUOTE;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte < 0x20 || byte > 0x7e || byte === QUOTE || byte === BACKSLASH) return false;
      target[to++] = byte;
    }
    target[to++] = QUOTE;
    this.length = to;
    return true;
  }

  private addBytes(bytes: Uint8Array): boolean {
    const isText = isUtf8(bytes);
    if (isText) this.addText(view(bytes).toString('utf8'));
    return isText;
  }

  private addJson({ json, from, to }: JsonArguments): void {
    this.reserve(to - from);
    this.length += json.copy(this.bytes, this.length, from, to);
  }

  private addText(text: string): void {
    const encoded = JSON.stringify(text);
    this.reserve(Buffer.byteLength(encoded));
    this.length += this.bytes.write(encoded, this.length, 'utf8');
  }

  private reserve(more: number): void {
    const wanted = this.length + more;
    if (wanted <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.bytes.length, wanted));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}

const json = new JsonBuffer();

/** The argument as text, or null when its bytes are no valid UTF-8 and would be replaced on the way. */
function toText(argument: RedisArgument): string | null {
  if (typeof argument === 'string') return argument;
  if (typeof argument === 'number') return String(argument);
  if (!isUtf8(argument)) return null;
  return view(argument).toString('utf8');
}

function wrap(command: RedisCommand, readScript: ReadScript): string[] {
  if (command.length > MAX_BINARY_ARGUMENTS) {
    throw new AppError('redis-reply-too-large', `A command with binary arguments has ${command.length} of them`, {
      hint: `Send at most ${MAX_BINARY_ARGUMENTS} arguments at a time when some are not valid UTF-8.`,
    });
  }
  let kinds = '';
  const args = command.map((argument) => {
    const text = toText(argument);
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
