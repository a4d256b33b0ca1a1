import type { Command as RestCommand } from './request.js';

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
export function translate(command: RestCommand): EngineCommand | Refused {
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
