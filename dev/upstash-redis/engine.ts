import { isNativeError } from 'node:util/types';
import { Command, Redis } from 'ioredis';
import { AppError } from '../../lib/errors.js';
import type { CommandFlags, EngineCommand, RawReply } from './protocol.js';

/** Requests are spread over this many connections: commands of two pipelines interleave, as they may at Upstash. */
const CONNECTIONS = 4;

/** The real redis-server behind the stand-in. */
export interface Engine {
  readonly flags: CommandFlags;
  /** Runs commands in order on one connection; a failed command's reply is its Error. Rejects when the connection breaks. */
  pipeline(commands: readonly EngineCommand[]): Promise<RawReply[]>;
  /** The same as MULTI/EXEC; a single Error when the server discards the transaction as a whole. */
  transaction(commands: readonly EngineCommand[]): Promise<RawReply[] | Error>;
  close(): void;
}

/** Connects to redis-server; throws `config` if it does not answer. */
export async function openEngine(redisUrl: string): Promise<Engine> {
  const connections = Array.from({ length: CONNECTIONS }, () => createConnection(redisUrl));
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
      // All commands are written at once: no command of another request gets between MULTI and EXEC.
      const replies = await runAll(next(), [
        commandWithoutArguments('MULTI'),
        ...commands,
        commandWithoutArguments('EXEC'),
      ]);
      const result = replies.at(-1);
      if (Array.isArray(result)) return result;
      return replies.find(isNativeError) ?? new Error('EXECABORT Transaction discarded');
    },
    close() {
      for (const connection of connections) connection.disconnect();
    },
  };
}

function createConnection(redisUrl: string): Redis {
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

function commandWithoutArguments(name: string): EngineCommand {
  return { name, args: [], reported: name };
}

/** One promise for the whole batch: a promise per command would cost more than the command. */
function runAll(connection: Redis, commands: readonly EngineCommand[]): Promise<RawReply[]> {
  return new Promise((resolve, reject) => {
    const replies = new Array<RawReply>(commands.length).fill(null);
    let open = commands.length;
    if (open === 0) resolve(replies);
    // One write for all commands: a system call for each would cost more than the commands.
    const { stream } = connection as Partial<Pick<Redis, 'stream'>>;
    stream?.cork();
    commands.forEach(({ name, args }, index) => {
      const onReply = (error: Error | null | undefined, reply: unknown): void => {
        // A broken connection is not a command's error: the whole request fails.
        if (error !== null && error !== undefined && error.name !== 'ReplyError') reject(error);
        replies[index] = error ?? (reply as RawReply);
        if (--open === 0) resolve(replies);
      };
      // ioredis flattens and rewrites arguments of lower-case commands; upper-case commands are sent unchanged.
      void connection.sendCommand(new Command(name, [...args], { replyEncoding: null }, onReply));
    });
    stream?.uncork();
  });
}

async function readFlags(connection: Redis): Promise<CommandFlags> {
  const [table] = await runAll(connection, [commandWithoutArguments('COMMAND')]);
  if (!Array.isArray(table)) throw new Error('redis-server did not list its commands');
  const flags = new Map<string, ReadonlySet<string>>();
  for (const entry of table) {
    if (!Array.isArray(entry) || !Array.isArray(entry[2])) continue;
    flags.set(String(entry[0]).toUpperCase(), new Set(entry[2].map(String)));
  }
  return flags;
}
