import { randomUUID } from 'node:crypto';

/**
 * The name of a key that nobody has: commands are tried on it, to see whether a server knows and allows them. A fixed name could
 * be a client's key one day, and its type would be taken for the server's answer.
 */
export function absentKey(): string {
  return `soulcaster-backup:absent:${randomUUID()}`;
}
