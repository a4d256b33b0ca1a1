import { AppError } from '../errors.js';
import type { RedisArgument, RedisCommand, RedisPort, RedisReply, WireReply } from '../ports/redis.js';

/** Upstash's words for what does not fit, as the error of one command (Upstash troubleshooting, "max request size exceeded"). */
const TOO_LARGE = /max request size exceeded/i;
/** The error of a command that does not fit into a request alone. */
export const TOO_LARGE_ALONE = 'ERR max request size exceeded';
/** Names in one request: well below the limit of every plan, also where they travel as hex. */
const REQUEST_BYTES = 256 * 1024;

/** Whether a request failed because it, or its reply, is over the size limit. */
export function isTooLarge(error: unknown): boolean {
  return error instanceof AppError && error.code === 'redis-reply-too-large';
}

/** The same failure, where it is told as the error of one command. */
export function tooLarge(): AppError {
  return new AppError('redis-reply-too-large', 'A command or its reply is over the size limit of the Upstash plan', {
    hint: 'Raise the plan, or remove what does not fit into one request.',
  });
}

/** Whether one command's reply did not fit. */
export function saysTooLarge(reply: WireReply | undefined): boolean {
  return reply !== undefined && 'error' in reply && TOO_LARGE.test(reply.error);
}

/**
 * Runs all items in one request. What is refused is cut in two until the item that is to blame stands alone: then
 * `alone` says what becomes of it. One result an item, in order.
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
 * Commands that do not depend on each other, in as many pipelines as their size demands. A command that does not fit
 * alone has Upstash's error for that as its reply.
 */
export async function pipelineInHalves(redis: RedisPort, commands: readonly RedisCommand[]): Promise<RedisReply[]> {
  const replies: RedisReply[] = [];
  for (const some of byBytes(commands, bytesOf)) {
    const run = (part: readonly RedisCommand[]): Promise<RedisReply[]> => redis.pipeline(part);
    replies.push(...(await inHalves(some, run, (): RedisReply => ({ error: TOO_LARGE_ALONE }))));
  }
  return replies;
}

/** Consecutive items in groups of at most this many bytes; one that is larger stands alone. */
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

/** About what an argument takes in a request. */
export function bytesOfArgument(argument: RedisArgument): number {
  return (typeof argument === 'number' ? 8 : argument.length) + 3;
}

function bytesOf(command: RedisCommand): number {
  let bytes = 0;
  for (const argument of command) bytes += bytesOfArgument(argument);
  return bytes;
}
