import { AppError } from '../errors.js';
import type { RedisCommand, RedisPort, RedisValue, Reply } from '../ports/redis.js';

/** Commands per request, at most. */
const COMMANDS = 500;

/** In place of a reply: the key is of another type. */
export const WRONG_TYPE = Symbol('wrong type');
/** In place of a reply: a single reply exceeds the size limit. */
export const TOO_LARGE = Symbol('too large');
export type Answer = RedisValue | typeof WRONG_TYPE | typeof TOO_LARGE;

/**
 * Runs any number of commands. If the replies are too large, the commands are split into smaller requests. Throws the port's
 * errors, and `redis-command` when Redis refuses a command for another reason than the key's type.
 */
export async function runCommands(redis: RedisPort, commands: readonly RedisCommand[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let at = 0; at < commands.length; at += COMMANDS) {
    answers.push(...(await runHalving(redis, commands.slice(at, at + COMMANDS))));
  }
  return answers;
}

async function runHalving(redis: RedisPort, commands: readonly RedisCommand[]): Promise<Answer[]> {
  try {
    const replies = await redis.pipeline(commands);
    return replies.map((reply, at) => answerOf(commands[at]?.[0] ?? 'a command', reply));
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'redis-reply-too-large') throw error;
    if (commands.length < 2) return [TOO_LARGE];
    const middle = Math.ceil(commands.length / 2);
    return [
      ...(await runHalving(redis, commands.slice(0, middle))),
      ...(await runHalving(redis, commands.slice(middle))),
    ];
  }
}

/** The value of a reply. Throws `redis-command` when Redis refused the command for another reason than the key's type. */
export function answerOf<T>(command: string, reply: Reply<T>): T | typeof WRONG_TYPE {
  if ('value' in reply) return reply.value;
  if (reply.error.startsWith('WRONGTYPE')) return WRONG_TYPE;
  throw new AppError('redis-command', `Redis refused ${command}`, {
    hint: 'Use the standard REST token of the database; docs/operations.md lists the commands that are needed.',
  });
}

/** The elements of an array; empty for any other reply. */
export function listOf(answer: Answer | undefined): readonly RedisValue[] {
  return Array.isArray(answer) ? answer : [];
}

export function textOf(answer: Answer | undefined): string | null {
  return Buffer.isBuffer(answer) ? answer.toString('utf8') : null;
}
