import { isUtf8 } from 'node:buffer';
import type { RedisCommand, RedisPort, RedisReply } from '../ports/redis.js';

/**
 * The same database with a count of its own: the port's counts all that the tasks beside this one send as well. What is
 * sent again after a fault counts once. `usage` has its own requests and commands; its bytes are those of the port.
 */
export function metered(redis: RedisPort): RedisPort {
  let requests = 0;
  let commands = 0;
  const count =
    (send: (batch: readonly RedisCommand[]) => Promise<RedisReply[]>) => (batch: readonly RedisCommand[]) => {
      requests += 1;
      for (const command of batch) commands += command.some(isBinary) ? 2 : 1;
      return send(batch);
    };
  return {
    host: redis.host,
    pipeline: count((batch) => redis.pipeline(batch)),
    transaction: count((batch) => redis.transaction(batch)),
    usage: () => ({ ...redis.usage(), requests, commands }),
  };
}

/** Such a command goes as a script with the command inside, and both are billed. */
function isBinary(argument: RedisCommand[number]): boolean {
  return typeof argument === 'object' && !isUtf8(argument);
}
