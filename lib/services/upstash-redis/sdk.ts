import { Redis, type Requester, type UpstashRequest, type UpstashResponse } from '@upstash/redis';
import { AppError } from '../../errors.js';
import type { RedisArgument, RedisCommand, RedisPort, RedisReply, RedisValue } from '../../ports/redis.js';

/**
 * The vendor's SDK over our port: for plain commands such as PING, DBSIZE and INFO, with its typed methods. Bulk reads
 * and writes do not go through it, because its codec takes every string for UTF-8: other bytes are replaced, a leading
 * byte order mark is dropped, and an "OK" inside a list turns into something else; and its errors quote whole commands.
 *
 * Replies are strings, integers, null and lists as they are; nothing is parsed as JSON. What the port throws comes
 * through; a command that Redis refuses throws `redis-command`, and in a pipeline the SDK's own UpstashError.
 */
export function upstashSdk(redis: RedisPort): Redis {
  return new PlainRedis(requester(redis));
}

/** The constructor for a requester takes no options, and its defaults parse replies and report telemetry. */
class PlainRedis extends Redis {
  protected override opts = { automaticDeserialization: false };
  protected override enableTelemetry = false;
  protected override enableAutoPipelining = false;
}

function requester(redis: RedisPort): Requester {
  return {
    async request<TResult>({ path = [], body }: UpstashRequest): Promise<UpstashResponse<TResult>> {
      // The SDK's type is that of a single command; a batch gets a list of such answers.
      if (path.length === 0) return (await single(redis, toCommand(body))) as UpstashResponse<TResult>;
      const commands = (Array.isArray(body) ? body : []).map(toCommand);
      if (path[0] === 'pipeline') return toResponses(await redis.pipeline(commands)) as UpstashResponse<TResult>;
      if (path[0] === 'multi-exec') return toResponses(await redis.transaction(commands)) as UpstashResponse<TResult>;
      throw unsupported();
    },
  };
}

async function single(redis: RedisPort, command: RedisCommand): Promise<UpstashResponse<unknown>> {
  const [reply] = await redis.pipeline([command]);
  if (reply !== undefined && 'value' in reply) return { result: toText(reply.value) };
  throw new AppError('redis-command', `Redis refused ${command[0]}: ${reply?.error ?? 'no reply'}`, {
    hint: 'Check that the database supports the command and that the key has the type it needs.',
  });
}

function toResponses(replies: readonly RedisReply[]): UpstashResponse<unknown>[] {
  return replies.map((reply) => ('error' in reply ? { error: reply.error } : { result: toText(reply.value) }));
}

type TextValue = string | number | null | TextValue[];

function toText(value: RedisValue): TextValue {
  if (Buffer.isBuffer(value)) return value.toString('utf8');
  if (typeof value === 'bigint') return String(value);
  return Array.isArray(value) ? value.map(toText) : value;
}

function toCommand(value: unknown): RedisCommand {
  if (!Array.isArray(value) || typeof value[0] !== 'string') throw unsupported();
  const [name, ...args] = value as [string, ...unknown[]];
  return [name.toUpperCase(), ...args.map(toArgument)];
}

function toArgument(value: unknown): RedisArgument {
  if (typeof value === 'string' || typeof value === 'number') return value;
  if (typeof value === 'boolean') return String(value);
  throw unsupported();
}

function unsupported(): AppError {
  return new AppError('usage', "The Upstash SDK asked for something our transport doesn't carry", {
    hint: 'Subscriptions, MONITOR and null arguments are not available here.',
  });
}
