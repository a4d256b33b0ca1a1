import { AppError } from '../errors.js';
import type { RedisCommand, RedisPort, RedisValue, Reply } from '../ports/redis.js';

/** Commands in one request, at most. */
const COMMANDS = 500;

/** A reply that is not there because the key is of another type. */
export const WRONG_TYPE = Symbol('wrong type');
/** A reply that is over the limit by itself. */
export const TOO_LARGE = Symbol('too large');
export type Answer = RedisValue | typeof WRONG_TYPE | typeof TOO_LARGE;

/**
 * Runs commands of any number. What is too large for one reply is asked for in smaller portions. Throws the port's
 * errors, and `redis-command` when Redis refuses one for another reason than its key's type.
 */
export async function runCommands(redis: RedisPort, commands: readonly RedisCommand[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let at = 0; at < commands.length; at += COMMANDS) {
    answers.push(...(await fitting(redis, commands.slice(at, at + COMMANDS))));
  }
  return answers;
}

async function fitting(redis: RedisPort, commands: readonly RedisCommand[]): Promise<Answer[]> {
  try {
    const replies = await redis.pipeline(commands);
    return replies.map((reply, at) => answerOf(commands[at]?.[0] ?? 'a command', reply));
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'redis-reply-too-large') throw error;
    if (commands.length < 2) return [TOO_LARGE];
    const middle = Math.ceil(commands.length / 2);
    return [...(await fitting(redis, commands.slice(0, middle))), ...(await fitting(redis, commands.slice(middle)))];
  }
}

/** The value of a reply. Throws `redis-command` when Redis refused the command for another reason than its key's type. */
export function answerOf<T>(command: string, reply: Reply<T>): T | typeof WRONG_TYPE {
  if ('value' in reply) return reply.value;
  if (reply.error.startsWith('WRONGTYPE')) return WRONG_TYPE;
  throw new AppError('redis-command', `Redis refused ${command}`, {
    hint: 'Re-index with the standard REST token of the database; docs/operations.md names the commands that are needed.',
  });
}

/** The elements of an array; none for any other reply. */
export function listOf(answer: Answer | undefined): readonly RedisValue[] {
  return Array.isArray(answer) ? answer : [];
}

export function textOf(answer: Answer | undefined): string | null {
  return Buffer.isBuffer(answer) ? answer.toString('utf8') : null;
}
