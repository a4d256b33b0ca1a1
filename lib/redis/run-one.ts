import type { Redis, UpstashRequest, UpstashResponse } from '@upstash/redis';
import { z } from 'zod';
import { randomUUID } from 'node:crypto';
import type { RedisPort, RedisValue, Reply } from '../ports/redis.js';

/**
 * Runs one command by a typed method of the vendor's SDK, over our port: `runOne(redis, (sdk) => sdk.dbsize())`. The SDK's codec
 * reads every string as UTF-8 and parses JSON, so this is only for commands whose arguments and replies are known to be text
 * or integers; values, names that SCAN found and batches go through the port. A command that Redis refuses gives the port's
 * `error`, without the command; errors that the port throws are passed on.
 */
export async function runOne<T>(redis: RedisPort, call: (sdk: Redis) => Promise<T>): Promise<Reply<T>> {
  // Imported on first use: most commands of the command line start faster without the SDK.
  const { errors, Redis } = await import('@upstash/redis');
  try {
    return { value: await call(new Redis({ request: (request) => send(redis, request) })) };
  } catch (error) {
    if (error instanceof errors.UpstashError) return { error: error.message };
    throw error;
  }
}

/** A single command; a pipeline of the SDK would be a list of lists. */
const commandSchema = z.tuple([z.string()], z.union([z.string(), z.number()]));

async function send<T>(redis: RedisPort, { body }: UpstashRequest): Promise<UpstashResponse<T>> {
  const [name, ...args] = commandSchema.parse(body);
  const [reply] = await redis.pipeline([[name.toUpperCase(), ...args]]);
  if (reply === undefined || 'error' in reply) return { error: reply?.error || 'no reply' };
  return { result: toText(reply.value) as T };
}

type TextValue = string | number | null | TextValue[];

function toText(value: RedisValue): TextValue {
  if (Array.isArray(value)) return value.map(toText);
  return typeof value === 'number' || value === null ? value : value.toString();
}

/**
 * The name of a key that does not exist, for testing whether a server knows and allows a command. The name is random: a client
 * could create a key under a fixed name, and the type of that key would be taken for the server's answer.
 */
export function absentKey(): string {
  return `soulcaster-backup:absent:${randomUUID()}`;
}

/** Expiry of the probe key if the process dies before removing it, in milliseconds. */
const PROBE_MS = 60_000;

/**
 * Whether two URLs lead to the same database: a key that is set through the first can be read through the second. False where
 * either does not answer, or the first refuses the write.
 */
export async function isSameDatabase(there: RedisPort, own: RedisPort): Promise<boolean> {
  const key = absentKey();
  // A database that refuses writes is reported by the first real write; so are other failures here.
  const ignore = () => undefined;
  await runOne(there, (sdk) => sdk.set(key, '1', { px: PROBE_MS })).catch(ignore);
  const isSame = (await holdsKey(own, key)) === true;
  await runOne(there, (sdk) => sdk.del(key)).catch(ignore);
  return isSame;
}

/**
 * Whether a database has a key that was just set through another URL: then both URLs lead to the same database. Null where the
 * database does not answer.
 */
export async function holdsKey(redis: RedisPort, key: string): Promise<boolean | null> {
  const reply = await runOne(redis, (sdk) => sdk.exists(key)).catch(() => null);
  return reply === null || !('value' in reply) ? null : reply.value === 1;
}
