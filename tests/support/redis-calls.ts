import { Redis } from 'ioredis';

/** A reply byte for byte. */
export type Reply = Buffer | number | null | Reply[];
export type Command = readonly [name: string, ...args: (string | Buffer)[]];

/** A connection that fails at once instead of trying again. */
export function openDatabase(redisUrl: string): Redis {
  const redis = new Redis(redisUrl, { protocol: 2, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  // The failed command says it too; without a listener ioredis prints it.
  redis.on('error', () => undefined);
  return redis;
}

export async function call(redis: Redis, command: Command): Promise<Reply> {
  return (await redis.callBuffer(...command)) as Reply;
}

/** Runs the commands in one go; the first that fails throws. */
export async function batch(redis: Redis, commands: readonly Command[]): Promise<Reply[]> {
  if (commands.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const command of commands) pipeline.callBuffer(...command);
  const results = (await pipeline.exec()) ?? [];
  return results.map(([error, reply]) => {
    if (error !== null) throw error;
    return reply as Reply;
  });
}

export function bufferOf(reply: Reply | undefined): Buffer {
  if (!Buffer.isBuffer(reply)) throw new Error('Redis replied something other than a bulk string');
  return reply;
}

export function listOf(reply: Reply | undefined): Reply[] {
  if (!Array.isArray(reply)) throw new Error('Redis replied something other than an array');
  return reply;
}

export function numberOf(reply: Reply | undefined): number {
  if (typeof reply !== 'number') throw new Error('Redis replied something other than an integer');
  return reply;
}

export const textOf = (reply: Reply | undefined): string => bufferOf(reply).toString('utf8');
export const buffersOf = (reply: Reply | undefined): Buffer[] => listOf(reply).map(bufferOf);
