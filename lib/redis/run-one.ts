import type { Redis, UpstashRequest, UpstashResponse } from '@upstash/redis';
import { z } from 'zod';
import type { RedisPort, RedisValue, Reply } from '../ports/redis.js';

/**
 * Runs one command by a typed method of the vendor's SDK, over our port: `runOne(redis, (sdk) => sdk.dbsize())`. Its codec
 * takes every string for UTF-8 and parses what has the form of JSON, so it is for commands whose arguments and replies are
 * known to be text or integers; keys' values, names that were found and batches go through the port. What Redis refuses is
 * an `error` as the port words it, without the command; what the port throws comes through.
 */
export async function runOne<T>(redis: RedisPort, call: (sdk: Redis) => Promise<T>): Promise<Reply<T>> {
  // Late: most commands of the command line start faster without it.
  const { errors, Redis } = await import('@upstash/redis');
  try {
    return { value: await call(new Redis({ request: (request) => send(redis, request) })) };
  } catch (error) {
    if (error instanceof errors.UpstashError) return { error: error.message };
    throw error;
  }
}

/** A single command; in a pipeline of the SDK each of them is a list in its place. */
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
