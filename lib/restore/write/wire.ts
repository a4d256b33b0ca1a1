import type { RedisCommand, RedisPort, RedisReply, SentCommand } from '../../ports/redis.js';
import { atOnce } from '../../redis/at-once.js';
import { batchError } from './errors.js';

/** The port as far as a restore uses it, until it is told to stop. */
export interface Wire {
  /** What a page may take of a request, in bytes: less than PAGE_BYTES where the target's limit is low. */
  readonly pageBytes: number;
  /** Throws the signal's reason, and sends nothing, once one of the signals is aborted. */
  pipeline(commands: readonly RedisCommand[]): Promise<RedisReply[]>;
  transaction(commands: readonly SentCommand[]): Promise<RedisReply[]>;
  /** Removes staged keys as far as that is possible; never throws. What it leaves expires by itself. */
  sweep(keys: readonly string[]): Promise<void>;
}

/** `signal` ends everything; `failed` is aborted when one of several writers failed, and lets them clean up. */
export function openWire(redis: RedisPort, pageBytes: number, signal: AbortSignal, failed: AbortSignal): Wire {
  const send = async <C extends SentCommand>(
    commands: readonly C[],
    run: (commands: readonly C[]) => Promise<RedisReply[]>,
  ): Promise<RedisReply[]> => {
    signal.throwIfAborted();
    failed.throwIfAborted();
    try {
      return await run(commands);
    } catch (error) {
      throw batchError(error, commands);
    }
  };
  return {
    pageBytes,
    pipeline: (commands) => send(commands, (some) => redis.pipeline(some)),
    transaction: (commands) => send(commands, (some) => atOnce(redis, some)),
    async sweep(keys) {
      if (signal.aborted || keys.length === 0) return;
      await redis.pipeline([['UNLINK', ...keys]]).catch(() => undefined);
    },
  };
}
