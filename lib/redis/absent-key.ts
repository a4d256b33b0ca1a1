import { randomUUID } from 'node:crypto';
import type { RedisPort } from '../ports/redis.js';
import { runOne } from './run-one.js';

/**
 * The name of a key that nobody has: commands are tried on it, to see whether a server knows and allows them. A fixed name could
 * be a client's key one day, and its type would be taken for the server's answer.
 */
export function absentKey(): string {
  return `soulcaster-backup:absent:${randomUUID()}`;
}

/**
 * Whether a database has a key that was just set in another: then both are one, under two names. False where that cannot be found
 * out.
 */
export async function holdsKey(redis: RedisPort, key: string): Promise<boolean> {
  const reply = await runOne(redis, (sdk) => sdk.exists(key)).catch(() => null);
  return reply !== null && 'value' in reply && reply.value === 1;
}
