import type { Embedder } from '../../lib/ports/embedder.js';
import type { RedisCommand, RedisPort } from '../../lib/ports/redis.js';

/** An embedder that lets a test act before, or in place of, each call; calls count from 0. */
export function wrapEmbedder(
  embedder: Embedder,
  act: (texts: readonly string[], call: number) => Promise<Float32Array[] | null> | Float32Array[] | null,
): Embedder {
  let call = 0;
  return {
    ...embedder,
    embed: async (texts) => (await act(texts, call++)) ?? embedder.embed(texts),
  };
}

/** A database that lets a test act before each request. */
export function wrapRedis(redis: RedisPort, act: (commands: readonly RedisCommand[]) => Promise<void>): RedisPort {
  return {
    ...redis,
    async pipeline(commands) {
      await act(commands);
      return redis.pipeline(commands);
    },
  };
}

/** Whether a text is embedded for an item, rather than to see that texts can be. */
export function isItems(texts: readonly string[]): boolean {
  return texts.some((text) => text.startsWith('Title '));
}
