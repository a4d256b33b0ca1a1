import type { Embedder } from '../../lib/ports/embedder.js';
import type { RedisCommand, RedisPort } from '../../lib/ports/redis.js';

/** An embedder with a hook before, or instead of, each call; calls count from 0. */
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

/** A database with a hook before each request. */
export function wrapRedis(redis: RedisPort, act: (commands: readonly RedisCommand[]) => Promise<void>): RedisPort {
  return {
    ...redis,
    async pipeline(commands) {
      await act(commands);
      return redis.pipeline(commands);
    },
  };
}

/** Whether the texts are of items, rather than the probe text. */
export function isItems(texts: readonly string[]): boolean {
  return texts.some((text) => text.startsWith('Title '));
}
