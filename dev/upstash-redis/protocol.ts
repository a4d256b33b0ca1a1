import { isNativeError } from 'node:util/types';

/** One command of a request: its name and its arguments. */
export type Command = readonly [name: string | Buffer, ...args: (string | Buffer)[]];

export interface RestRequest {
  readonly mode: 'single' | 'pipeline' | 'transaction';
  readonly commands: readonly Command[];
}

/** A request that violates the protocol; `message` is returned with HTTP 400. */
export class BadRequest extends Error {}

/** Parses an HTTP request: a command in the path or in a JSON body, or a JSON array of commands. */
export function parseRequest(path: string, query: string, body: Buffer): RestRequest {
  if (path === '/pipeline') return { mode: 'pipeline', commands: parseBatch(body) };
  if (path === '/multi-exec') return { mode: 'transaction', commands: parseBatch(body) };
  if (path === '/') return { mode: 'single', commands: [toCommand(parseJson(body))] };
  return { mode: 'single', commands: [fromPath(path, query, body)] };
}

function parseBatch(body: Buffer): Command[] {
  const batch = parseJson(body);
  if (!Array.isArray(batch)) throw new BadRequest('ERR failed to parse pipeline request');
  if (batch.length === 0) throw new BadRequest('ERR empty pipeline request');
  return batch.map(toCommand);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    throw new BadRequest('ERR failed to parse request body as JSON');
  }
}

function toCommand(value: unknown): Command {
  if (!Array.isArray(value)) throw new BadRequest('ERR failed to parse command');
  const [name, ...args] = value.map(toArgument);
  if (name === undefined || name === '') throw new BadRequest('ERR empty command');
  return [name, ...args];
}

function toArgument(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new BadRequest(value === null ? 'ERR null args are not supported' : 'ERR unsupported arg type');
}

/** `/set/key` with a raw body as the last argument of the path, and query parameters after it. */
function fromPath(path: string, query: string, body: Buffer): Command {
  const [name, ...args] = path.slice(1).split('/').map(percentDecode);
  if (name === undefined || name.length === 0) throw new BadRequest('ERR empty command');
  if (body.length > 0) args.push(body);
  for (const [option, value] of new URLSearchParams(query)) {
    if (option === '_token') continue;
    args.push(Buffer.from(option));
    if (value !== '') args.push(Buffer.from(value));
  }
  return [name, ...args];
}

/** Percent-decoding to bytes: a key in a path need not be UTF-8. */
function percentDecode(segment: string): Buffer {
  if (/%(?![0-9a-f]{2})/i.test(segment)) throw new BadRequest('ERR invalid URL escape');
  const latin1 = segment.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(latin1, 'latin1');
}

/** A command for the engine. `reported` is the name that decides how the reply is encoded. */
export interface EngineCommand {
  readonly name: string;
  readonly args: readonly (string | Buffer)[];
  readonly reported: string;
}

/** Upstash's error text for a command that is not run. */
export interface Refused {
  readonly refused: string;
}

/** Flags of each command from redis-server's COMMAND, by name in capitals. */
export type CommandFlags = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Commands that Upstash does not offer over REST, or that would break the connection that all requests share. Transactions and
 * subscriptions have separate endpoints.
 */
const UNAVAILABLE = new Set(
  [
    'OBJECT CONFIG MIGRATE XSETID WATCH UNWATCH MULTI EXEC DISCARD MONITOR DEBUG MODULE SHUTDOWN SAVE BGSAVE',
    'BGREWRITEAOF LASTSAVE SYNC PSYNC REPLCONF REPLICAOF SLAVEOF FAILOVER CLUSTER READONLY READWRITE ASKING',
    'BLPOP BRPOP BLMOVE BRPOPLPUSH BLMPOP BZPOPMIN BZPOPMAX BZMPOP WAIT WAITAOF LATENCY SLOWLOG LOLWUT',
    'SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE QUIT RESET HELLO AUTH SELECT SWAPDB',
    'MOVE CLIENT ACL PFDEBUG PFSELFTEST RESTORE-ASKING',
  ]
    .join(' ')
    .split(' '),
);

/** Read commands that a read-only token may not run: they list keys. */
const NOT_FOR_READERS = new Set(['SCAN', 'KEYS', 'RANDOMKEY']);
const HARMLESS = new Set(['PING', 'ECHO', 'TIME']);
const SCRIPTS = new Set(['EVAL', 'EVALSHA', 'FCALL']);

/** Reads a page of keys and their types atomically in one round trip, also inside a transaction. */
const SCAN_WITH_TYPES = `
local page = redis.call('SCAN', unpack(ARGV))
local flat = {}
for _, key in ipairs(page[2]) do
  flat[#flat + 1] = key
  flat[#flat + 1] = redis.call('TYPE', key).ok
end
return {page[1], flat}`;

/** Translates a command for redis-server, or returns Upstash's error text. */
export function translate(command: Command): EngineCommand | Refused {
  const [first, ...args] = command;
  const name = first.toString().toUpperCase();
  if (UNAVAILABLE.has(name) || subcommandUnavailable(name, args)) {
    return { refused: `ERR Command is not available: '${first.toString()}'. See the list of supported commands` };
  }
  const options = name === 'SCAN' ? removeWithType(args) : null;
  if (options === null) return { name, args, reported: name };
  return { name: 'EVAL', args: [SCAN_WITH_TYPES, '0', ...options], reported: name };
}

function subcommandUnavailable(name: string, args: readonly (string | Buffer)[]): boolean {
  const words = args.slice(0, 6).map((arg) => (arg.length > 12 ? '' : arg.toString().toUpperCase()));
  if (name === 'FUNCTION') return words[0] === 'DUMP' || words[0] === 'RESTORE';
  if (name === 'XREAD' || name === 'XREADGROUP') return words.slice(0, words.indexOf('STREAMS')).includes('BLOCK');
  return false;
}

/** SCAN's arguments without WITHTYPE, or null if it is not among its options (a MATCH pattern may have the same text). */
function removeWithType(args: readonly (string | Buffer)[]): (string | Buffer)[] | null {
  let index = 1;
  while (index < args.length) {
    if (args[index]?.toString().toUpperCase() === 'WITHTYPE') return args.filter((_, at) => at !== index);
    index += 2;
  }
  return null;
}

/** Whether a read-only token may run the command. Unknown commands are left to the server, which refuses them. */
export function mayRead(command: EngineCommand, flags: CommandFlags): boolean {
  if (NOT_FOR_READERS.has(command.reported)) return false;
  if (!flags.has(command.name)) return true;
  return HARMLESS.has(command.name) || flags.get(command.name)?.has('readonly') === true;
}

/** Whether the command may change data; a script counts as writing unless its first line says `no-writes`. */
export function mayWrite(command: EngineCommand, flags: CommandFlags): boolean {
  if (command.reported === 'SCAN') return false;
  if (!SCRIPTS.has(command.name)) return flags.get(command.name)?.has('write') === true;
  const firstLine = command.args[0]?.toString().split('\n', 1)[0] ?? '';
  return !(firstLine.startsWith('#!') && firstLine.includes('no-writes'));
}

/**
 * A reply of ioredis with `stringNumbers` and no reply encoding: bulk and status strings are Buffers, integers are strings of
 * digits (to keep 64 bits), nil is null.
 */
export type RawReply = Buffer | string | null | RawReply[] | Error;

/** Encoding of strings in the JSON: UTF-8 text (invalid bytes become U+FFFD), or base64. */
export type Encoding = 'text' | 'base64';

/** Commands with the status reply "OK"; from any other command, the two letters are data. */
const STATUS_OK = new Set(
  [
    'SET SETEX PSETEX MSET HMSET LSET LTRIM RENAME RESTORE XGROUP PFMERGE FLUSHDB FLUSHALL SCRIPT FUNCTION SELECT',
    'JSON.SET JSON.MSET EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO',
  ]
    .join(' ')
    .split(' '),
);

/** The JSON of one reply: `{"result":...}`, or `{"error":"..."}` for a failed command. `name` is in capitals. */
export function encodeReply(reply: RawReply, name: string, encoding: Encoding): string {
  if (isNativeError(reply)) return encodeError(reply.message);
  const bare = Buffer.isBuffer(reply) && isOk(reply) && STATUS_OK.has(name);
  return `{"result":${bare ? '"OK"' : encodeValue(reply, encoding)}}`;
}

export function encodeError(message: string): string {
  return `{"error":${JSON.stringify(message)}}`;
}

/** Bytes of a reply's strings, about its size on the wire. */
export function sizeOf(reply: RawReply): number {
  if (Buffer.isBuffer(reply)) return reply.length;
  if (!Array.isArray(reply)) return 0;
  let bytes = 0;
  for (const item of reply) bytes += sizeOf(item);
  return bytes;
}

function encodeValue(value: RawReply, encoding: Encoding): string {
  if (Buffer.isBuffer(value)) {
    // Base64 needs no escaping: this is the hot path of a backup.
    return encoding === 'base64' ? `"${value.toString('base64')}"` : JSON.stringify(value.toString('utf8'));
  }
  if (value === null) return 'null';
  if (typeof value === 'string') return value;
  if (isNativeError(value)) return encoding === 'base64' ? base64(value.message) : JSON.stringify(value.message);
  let json = '[';
  for (const [index, item] of value.entries()) json += (index === 0 ? '' : ',') + encodeValue(item, encoding);
  return `${json}]`;
}

function base64(text: string): string {
  return `"${Buffer.from(text).toString('base64')}"`;
}

function isOk(value: Buffer): boolean {
  return value.length === 2 && value[0] === 0x4f && value[1] === 0x4b;
}
