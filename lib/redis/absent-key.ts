import { randomUUID } from 'node:crypto';
import type { RedisPort } from '../ports/redis.js';
import { runOne } from './run-one.js';

/**
 * The name of a key that does not exist, for testing whether a server knows and allows a command. The name is random: a client
 * could create a key under a fixed name, and the type of that key would be taken for the server's answer.
 */
export function absentKey(): string {
  return `soulcaster-backup:absent:${randomUUID()}`;
}

/**
 * Whether a database has a key that was just set through another URL: then both URLs lead to the same database. False where the
 * database does not answer.
 */
export async function holdsKey(redis: RedisPort, key: string): Promise<boolean> {
  const reply = await runOne(redis, (sdk) => sdk.exists(key)).catch(() => null);
  return reply !== null && 'value' in reply && reply.value === 1;
}
