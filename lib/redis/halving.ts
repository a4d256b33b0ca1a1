import { AppError } from '../errors.js';
import type { RedisArgument, RedisCommand, RedisPort, RedisReply, WireReply } from '../ports/redis.js';

/** Upstash's error of a command whose request or reply is too large (Upstash troubleshooting, "max request size exceeded"). */
const TOO_LARGE = /max request size exceeded/i;
/** The error of a command that does not fit into a request of a single command. */
export const TOO_LARGE_ALONE = 'ERR max request size exceeded';
/** Bytes of names in one request: well below the limit of every plan, even when they are sent as hex. */
const REQUEST_BYTES = 256 * 1024;

/** Whether a request failed because it, or its reply, is over the size limit. */
export function isTooLarge(error: unknown): boolean {
  return error instanceof AppError && error.code === 'redis-reply-too-large';
}

/** The error that `isTooLarge` matches, for a command whose own reply reports the limit. */
export function tooLarge(): AppError {
  return new AppError('redis-reply-too-large', 'A command or its reply is over the size limit of the Upstash plan', {
    hint: 'Upgrade the plan, or remove the values that are larger than one request.',
  });
}

/** Whether a command's reply is Upstash's error that it is too large. */
export function saysTooLarge(reply: WireReply | undefined): boolean {
  return reply !== undefined && 'error' in reply && TOO_LARGE.test(reply.error);
}

/**
 * Runs all items in one request. A request that is refused is split in two until the item that causes the refusal is alone;
 * `alone` gives the result of that item. Returns one result per item, in order.
 */
export async function inHalves<I, O>(
  items: readonly I[],
  run: (items: readonly I[]) => Promise<readonly O[]>,
  alone: (item: I, error: AppError) => Promise<O> | O,
  mayCut: (error: AppError) => boolean = isTooLarge,
): Promise<O[]> {
  if (items.length === 0) return [];
  try {
    return [...(await run(items))];
  } catch (error) {
    if (!(error instanceof AppError) || !mayCut(error)) throw error;
    if (items.length === 1) return [await alone(items[0] as I, error)];
    const middle = Math.ceil(items.length / 2);
    const first = await inHalves(items.slice(0, middle), run, alone, mayCut);
    return [...first, ...(await inHalves(items.slice(middle), run, alone, mayCut))];
  }
}

/**
 * Runs commands that do not depend on each other, in as many pipelines as their size requires. The reply to a command that
 * does not fit alone is Upstash's error for it.
 */
export async function pipelineInHalves(redis: RedisPort, commands: readonly RedisCommand[]): Promise<RedisReply[]> {
  const replies: RedisReply[] = [];
  for (const some of byBytes(commands, bytesOf)) {
    const run = (part: readonly RedisCommand[]): Promise<RedisReply[]> => redis.pipeline(part);
    replies.push(...(await inHalves(some, run, (): RedisReply => ({ error: TOO_LARGE_ALONE }))));
  }
  return replies;
}

/** Groups consecutive items into at most `most` bytes; a larger item is a group of one. */
export function* byBytes<T>(
  items: Iterable<T>,
  sizeOf: (item: T) => number,
  most: number = REQUEST_BYTES,
): Generator<T[]> {
  let group: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (group.length > 0 && bytes + size > most) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(item);
    bytes += size;
  }
  if (group.length > 0) yield group;
}

/** The approximate bytes of an argument in a request. */
export function bytesOfArgument(argument: RedisArgument): number {
  return (typeof argument === 'number' ? 8 : argument.length) + 3;
}

function bytesOf(command: RedisCommand): number {
  let bytes = 0;
  for (const argument of command) bytes += bytesOfArgument(argument);
  return bytes;
}
