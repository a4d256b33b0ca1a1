import { isUtf8 } from 'node:buffer';
import { toAppError } from '../errors.js';
import type { RedisCommand, RedisPort, RedisReply } from '../ports/redis.js';

/**
 * The same database with a separate count: the port's counts all that the tasks beside this one send as well. What is
 * sent again after a fault counts once. `usage` has its own requests and commands; its bytes are those of the port.
 * Once `signal` is aborted nothing is sent any more, and its reason is thrown: whoever lost the lease, or was cancelled,
 * must not write, whatever it is at.
 */
export function metered(redis: RedisPort, signal: AbortSignal): RedisPort {
  let requests = 0;
  let commands = 0;
  const count = (batch: readonly RedisCommand[]): void => {
    if (signal.aborted) throw toAppError(signal.reason);
    requests += 1;
    for (const command of batch) commands += command.some(isBinary) ? 2 : 1;
  };
  return {
    host: redis.host,
    async pipeline(batch) {
      count(batch);
      return redis.pipeline(batch);
    },
    async transaction(batch: readonly RedisCommand[], form?: 'wire') {
      count(batch);
      return redis.transaction(batch, form) as Promise<RedisReply[]>;
    },
    usage: () => ({ ...redis.usage(), requests, commands }),
  };
}

/** Such a command goes as a script with the command inside, and both are billed. */
function isBinary(argument: RedisCommand[number]): boolean {
  return typeof argument === 'object' && !isUtf8(argument);
}
