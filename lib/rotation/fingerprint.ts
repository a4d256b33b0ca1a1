import { createHash } from 'node:crypto';

const LENGTH = 16;

/**
 * Tells two secrets apart without holding either: 64 bits of a hash. The salt, such as a rotation's id, keeps fingerprints
 * of different records from being compared.
 */
export function fingerprint(salt: string, secret: string): string {
  return createHash('sha256').update(`${salt}\n${secret}`).digest('hex').slice(0, LENGTH);
}
