import type { RedisPort } from '../ports/redis.js';
import { runOne } from './run-one.js';

/**
 * Whether a database has a key that was just set in another: then both are one, under two names. False where that cannot be found
 * out.
 */
export async function holdsKey(redis: RedisPort, key: string): Promise<boolean> {
  const reply = await runOne(redis, (sdk) => sdk.exists(key)).catch(() => null);
  return reply !== null && 'value' in reply && reply.value === 1;
}
