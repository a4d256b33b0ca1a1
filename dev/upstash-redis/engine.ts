import { isNativeError } from 'node:util/types';
import { Command, Redis } from 'ioredis';
import { AppError } from '../../lib/errors.js';
import type { CommandFlags, EngineCommand } from './commands.js';
import type { RawReply } from './encode.js';

/** Requests spread over this many connections: commands of two pipelines interleave, as they may at Upstash. */
const CONNECTIONS = 4;

/** The real redis-server behind the stand-in. */
export interface Engine {
  readonly flags: CommandFlags;
  /** Runs the commands in order on one connection; a command that fails leaves its Error in its place. Rejects when the connection breaks. */
  pipeline(commands: readonly EngineCommand[]): Promise<RawReply[]>;
  /** The same as MULTI/EXEC; a single Error when the server discards the transaction as a whole. */
  transaction(commands: readonly EngineCommand[]): Promise<RawReply[] | Error>;
  close(): void;
}

/** Connects to redis-server; throws `config` if it does not answer. */
export async function openEngine(redisUrl: string): Promise<Engine> {
  const connections = Array.from({ length: CONNECTIONS }, () => prepare(redisUrl));
  try {
    await Promise.all(connections.map((connection) => connection.connect()));
  } catch (cause) {
    for (const connection of connections) connection.disconnect();
    throw new AppError('config', 'The redis-server behind the stand-in does not answer', {
      hint: 'Start redis-server first, and give its redis:// URL.',
      cause,
    });
  }
  let turn = 0;
  const next = (): Redis => connections[turn++ % CONNECTIONS] as Redis;
  return {
    flags: await readFlags(next()),
    pipeline: (commands) => runAll(next(), commands),
    async transaction(commands) {
      // All of it is written before anything else can be: nothing of another request gets between MULTI and EXEC.
      const replies = await runAll(next(), [bare('MULTI'), ...commands, bare('EXEC')]);
      const result = replies.at(-1);
      if (Array.isArray(result)) return result;
      return replies.find(isNativeError) ?? new Error('EXECABORT Transaction discarded');
    },
    close() {
      for (const connection of connections) connection.disconnect();
    },
  };
}

function prepare(redisUrl: string): Redis {
  const connection = new Redis(redisUrl, {
    protocol: 2,
    stringNumbers: true,
    lazyConnect: true,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => 100,
  });
  connection.on('error', () => undefined);
  return connection;
}

function bare(name: string): EngineCommand {
  return { name, args: [], reported: name };
}

/** One promise for the whole batch: a promise a command would cost more than the command. */
function runAll(connection: Redis, commands: readonly EngineCommand[]): Promise<RawReply[]> {
  return new Promise((resolve, reject) => {
    const replies = new Array<RawReply>(commands.length).fill(null);
    let open = commands.length;
    if (open === 0) resolve(replies);
    // One write for all of them: a system call each would cost more than the commands.
    const { stream } = connection as Partial<Pick<Redis, 'stream'>>;
    stream?.cork();
    commands.forEach(({ name, args }, index) => {
      const settle = (error: Error | null | undefined, reply: unknown): void => {
        // A connection that broke is no command's error: the request as a whole fails.
        if (error !== null && error !== undefined && error.name !== 'ReplyError') reject(error);
        replies[index] = error ?? (reply as RawReply);
        if (--open === 0) resolve(replies);
      };
      // ioredis flattens and rewrites arguments of commands in lower case; those in capitals go as they are.
      void connection.sendCommand(new Command(name, [...args], { replyEncoding: null }, settle));
    });
    stream?.uncork();
  });
}

async function readFlags(connection: Redis): Promise<CommandFlags> {
  const [table] = await runAll(connection, [bare('COMMAND')]);
  if (!Array.isArray(table)) throw new Error('redis-server did not list its commands');
  const flags = new Map<string, ReadonlySet<string>>();
  for (const entry of table) {
    if (!Array.isArray(entry) || !Array.isArray(entry[2])) continue;
    flags.set(String(entry[0]).toUpperCase(), new Set(entry[2].map(String)));
  }
  return flags;
}
