import type { RedisPort } from '../ports/redis.js';

/**
 * Whether a database has a key that was just set in another: then both are one, under two names. False where that cannot be found
 * out.
 */
export async function holdsKey(redis: RedisPort, key: string): Promise<boolean> {
  const [reply] = await redis.pipeline([['EXISTS', key]]).catch(() => []);
  return reply !== undefined && 'value' in reply && Number(reply.value) === 1;
}
