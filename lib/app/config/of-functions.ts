import { knownVariables, type Environment } from '../config.js';

/** Variables for an operator's machine: no function reads them, or none is to have them. */
const OPERATORS =
  /^(BACKUP_AGE_IDENTITY(_FILE)?|UPSTASH_(EMAIL|API_KEY|API_URL|REDIS_ID)|VERCEL_.*|SOULCASTER_.*|AWS_PROFILE|DEBUG|S3_SESSION_TOKEN|REPLICA_S3_SESSION_TOKEN)$/;
const TARGET = /^RESTORE_TARGET_[A-Z0-9_]+_REST_(URL|TOKEN)$/;

/** What the functions are to have, by name. */
export function functionVariables(env: Environment): Record<string, string> {
  const known = knownVariables();
  const isOurs = (name: string): boolean => (known.has(name) || TARGET.test(name)) && !OPERATORS.test(name);
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (isOurs(name) && (value ?? '') !== '' ? [[name, value ?? '']] : [])),
  );
}
