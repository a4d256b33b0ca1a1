import type { RedisCommand, RedisPort, RedisReply, SentCommand } from '../../ports/redis.js';
import { atOnce } from '../../redis/at-once.js';
import { batchError } from './errors.js';

/** The part of the port that a restore uses, until it is stopped. */
export interface Wire {
  /** The most bytes of a page: less than PAGE_BYTES when the target's limit is low. */
  readonly pageBytes: number;
  /** Throws the signal's reason and sends nothing once one of the signals is aborted. */
  pipeline(commands: readonly RedisCommand[]): Promise<RedisReply[]>;
  transaction(commands: readonly SentCommand[]): Promise<RedisReply[]>;
  /** Tries to remove staged keys; never throws. Keys that it leaves expire. */
  sweep(keys: readonly string[]): Promise<void>;
}

/** `signal` stops everything; `failed` is aborted when one of several writers fails, and lets them clean up. */
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
