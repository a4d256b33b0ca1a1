import { AppError } from '../../errors.js';
import type { RedisCommand, RedisPort, RedisReply, RedisValue } from '../../ports/redis.js';
import { pipelineInHalves, saysTooLarge, tooLarge } from '../../redis/halving.js';
import type { Tally } from './rules.js';

/** What every check of one project needs. */
export interface CheckContext {
  readonly redis: RedisPort;
  readonly project: string;
  readonly tally: Tally;
}

/** Commands per request, at most. */
const COMMANDS = 500;

/**
 * Runs any number of commands whose first argument is the key. A key of the wrong type is tallied and its reply is null, as
 * if it did not exist. Throws the port's errors, and `redis-command` when Redis refuses a command for another reason.
 */
export async function runCommands(context: CheckContext, commands: readonly RedisCommand[]): Promise<RedisValue[]> {
  const values: RedisValue[] = [];
  for (let start = 0; start < commands.length; start += COMMANDS) {
    const batch = commands.slice(start, start + COMMANDS);
    const replies = await pipelineInHalves(context.redis, batch);
    for (const [index, reply] of replies.entries()) {
      if (saysTooLarge(reply)) throw tooLarge();
      values.push(valueOf(context, batch[index], reply));
    }
  }
  return values;
}

/** The value of one reply; see `runCommands`. */
export function valueOf({ tally }: CheckContext, command: RedisCommand | undefined, reply: RedisReply): RedisValue {
  if ('value' in reply) return reply.value;
  const [name = '', key = ''] = command ?? [];
  if (reply.error.startsWith('WRONGTYPE')) {
    tally.add('wrong-type', String(key));
    return null;
  }
  const word = reply.error.split(' ', 1)[0] ?? '';
  throw new AppError('redis-command', `Redis refused ${name}: ${word}`, {
    hint: 'Check that the token may read the whole database, then repeat the check.',
  });
}

export function textOf(value: RedisValue | undefined): string | null {
  return Buffer.isBuffer(value) ? value.toString('utf8') : null;
}

/** The texts of an array; null for missing values. */
export function textsOf(value: RedisValue | undefined): (string | null)[] {
  return Array.isArray(value) ? value.map(textOf) : [];
}

/** Some fields of a hash; null for a missing one. */
export type FieldValues<F extends string> = Readonly<Record<F, string | null>>;

/** The reply of an HMGET by field name; null if the hash has none of the fields. */
export function parseFields<F extends string>(
  fields: readonly F[],
  value: RedisValue | undefined,
): FieldValues<F> | null {
  const texts = textsOf(value);
  if (texts.every((text) => text === null)) return null;
  return Object.fromEntries(fields.map((field, index) => [field, texts[index] ?? null])) as FieldValues<F>;
}

/** Items in groups of `size`. */
export function* groups<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let group: T[] = [];
  for (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
