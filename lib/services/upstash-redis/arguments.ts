import { isUtf8 } from 'node:buffer';
import { AppError } from '../../errors.js';
import {
  decodedCommand,
  JsonArguments,
  type RedisArgument,
  type RedisCommand,
  type SentCommand,
} from '../../ports/redis.js';

/** Lua's `unpack` puts every argument on a stack of 8,000 slots (LUAI_MAXCSTACK); the script needs some of them. */
const MAX_BINARY_ARGUMENTS = 7_000;

/**
 * Runs one command whose arguments JSON cannot carry. ARGV[1] has a letter for each following argument: text (`t`) or
 * hex (`x`). `pcall` returns the command's own error; `call` would add the script's name and line.
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

/** Commands that only read. Their script is read-only as well, so that a server or token without write access accepts it. */
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
  /** How many commands Upstash bills for the batch: a script's inner command counts as one more. */
  readonly billed: number;
  /** Positions of the commands that are sent as scripts. */
  readonly scripts: readonly number[];
}

/** The command that runs scripts of reading commands: EVAL_RO, or EVAL when the token may not run EVAL_RO. */
export type ReadScript = 'EVAL_RO' | 'EVAL';

/** Encodes commands for `/pipeline` and `/multi-exec`. Throws `redis-reply-too-large` for a command too long for a script. */
export function encodeBatch(commands: readonly SentCommand[], readScript: ReadScript = 'EVAL_RO'): EncodedBatch {
  let billed = 0;
  const scripts: number[] = [];
  scratch.clear();
  scratch.addChar('[');
  for (const [at, command] of commands.entries()) {
    if (at > 0) scratch.addChar(',');
    const before = scratch.length;
    if (scratch.addStrings(command)) {
      billed += 1;
    } else {
      scratch.truncate(before);
      scratch.addStrings(toScript(decodedCommand(command), readScript));
      billed += 2;
      scripts.push(at);
    }
  }
  scratch.addChar(']');
  return { body: scratch.copy(), billed, scripts };
}

/** A scratch buffer that grew beyond this for one large batch is not kept. */
const KEPT_BYTES = 1024 * 1024;
const SCRATCH_BYTES = 64 * 1024;
const [QUOTE, BACKSLASH] = [0x22, 0x5c];

/**
 * JSON as bytes, in one reused buffer. Most arguments are names in plain ASCII, which are copied without a conversion to
 * text.
 */
class JsonBuffer {
  private bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  length = 0;

  clear(): void {
    this.length = 0;
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  }

  truncate(length: number): void {
    this.length = length;
  }

  copy(): Buffer {
    return Buffer.from(this.bytes.subarray(0, this.length));
  }

  addChar(char: string): void {
    this.reserve(1);
    this.bytes[this.length++] = char.charCodeAt(0);
  }

  /** Adds a list of strings; false, with part of the list written, when a string is not UTF-8. */
  addStrings(command: readonly (RedisArgument | JsonArguments)[]): boolean {
    for (let at = 0; at < command.length; at++) {
      this.addChar(at === 0 ? '[' : ',');
      const argument = command[at] as RedisArgument | JsonArguments;
      if (argument instanceof JsonArguments) {
        this.addJson(argument);
      } else if (typeof argument === 'object') {
        if (!this.addPlain(argument) && !this.addBytes(argument)) return false;
      } else {
        this.addText(String(argument));
      }
    }
    this.addChar(']');
    return true;
  }

  /** Adds bytes that need no escape in JSON; otherwise adds nothing and returns false. */
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
    if (isText) this.addText(asBuffer(bytes).toString('utf8'));
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

const scratch = new JsonBuffer();

/** The argument as text, or null when its bytes are not valid UTF-8 and would be replaced on the way. */
function toText(argument: RedisArgument): string | null {
  if (typeof argument === 'string') return argument;
  if (typeof argument === 'number') return String(argument);
  if (!isUtf8(argument)) return null;
  return asBuffer(argument).toString('utf8');
}

function toScript(command: RedisCommand, readScript: ReadScript): string[] {
  if (command.length > MAX_BINARY_ARGUMENTS) {
    throw new AppError('redis-reply-too-large', `A command with binary arguments has ${command.length} arguments`, {
      hint: `Send at most ${MAX_BINARY_ARGUMENTS} arguments at a time when some are not valid UTF-8.`,
    });
  }
  let kinds = '';
  const args = command.map((argument) => {
    const text = toText(argument);
    kinds += text === null ? 'x' : 't';
    return text ?? asBuffer(argument as Uint8Array).toString('hex');
  });
  return [READS.has(command[0]) ? readScript : 'EVAL', RUN_BINARY, '0', kinds, ...args];
}

/** Longest path of a request; servers refuse longer ones. */
const MAX_PATH = 6_000;

/**
 * The path of a request that runs the command, byte for byte (`/pexpiretime/%FF`); null when the path would be too long.
 * Unlike a script, such a request returns integers to the last digit.
 */
export function commandPath(command: RedisCommand): `/${string}` | null {
  const segments = command.map((argument) => {
    const bytes = typeof argument === 'object' ? asBuffer(argument) : Buffer.from(String(argument));
    return bytes
      .toString('latin1')
      .replace(/[^A-Za-z0-9_-]/g, (byte) => `%${Buffer.from(byte, 'latin1').toString('hex')}`);
  });
  const path = `/${segments.join('/')}` as const;
  return path.length <= MAX_PATH && segments.every((segment) => segment !== '') ? path : null;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
