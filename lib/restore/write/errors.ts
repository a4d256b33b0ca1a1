import { AppError } from '../../errors.js';
import {
  JsonArguments,
  type RedisArgument,
  type RedisReply,
  type RedisValue,
  type SentCommand,
} from '../../ports/redis.js';
import { saysFull } from '../../redis/at-once.js';
import { isStaged } from '../staged.js';
import { attachKey } from './refusal.js';
import { errorKind } from '../../snapshot/read/batch.js';

const RECORD_TOO_LARGE = /max single record size exceeded/i;
const KEY_TOO_LARGE = /max key size exceeded/i;

const AGAIN = 'then run the restore again: it overwrites what is already written.';

/** The replies' values, in order. Throws `redis-command` for the first refused command. */
export function valuesOf(replies: readonly RedisReply[], commands: readonly SentCommand[]): RedisValue[] {
  return replies.map((reply, at) => {
    if ('value' in reply) return reply.value;
    const [name = 'a command', key] = commands[at] ?? [];
    const error = commandError(name, reply.error);
    throw key === undefined || key instanceof JsonArguments || isStagedName(key) ? error : attachKey(key, error);
  });
}

/** Names the command and the kind of error: the rest of Redis's text may quote a value. */
export function commandError(name: string, text: string): AppError {
  const message = `The target database refused ${name}: ${errorKind(text)}`;
  return new AppError('redis-command', message, { hint: hintFor(name, text) });
}

/** The port's error for a whole batch, with a hint for restores where there is one. */
export function batchError(error: unknown, commands: readonly SentCommand[]): unknown {
  if (!(error instanceof AppError) || error.code !== 'redis-command') return error;
  const name = commands.some(([command]) => command === 'JSON.SET') ? 'JSON.SET' : 'a batch';
  return commandError(name, error.message.replace(/^.*?refused the batch: /, ''));
}

export function fieldExpiryError(kind: string): AppError {
  return new AppError('redis-command', `The target database refused HPEXPIREAT: ${kind}`, {
    hint: 'Some hash fields of the snapshot have an expiry. Restore with --ttl drop, or to a server that supports HPEXPIREAT (Upstash, Redis 7.4).',
  });
}

/** A staged key is gone or is not as written: evicted, flushed, or changed by a delayed request. */
export function stagedKeyError(): AppError {
  return new AppError('redis-unavailable', 'A staged key is missing or is not as it was written', {
    hint: 'The next attempt writes it again. If this keeps happening, check whether the target evicts keys or is being flushed.',
    transient: true,
  });
}

function hintFor(name: string, text: string): string {
  if (saysFull(text)) return `The target is full. Raise its plan's data size or free some of it, ${AGAIN}`;
  if (RECORD_TOO_LARGE.test(text)) return `A key is larger than the target's plan allows. Raise the plan, ${AGAIN}`;
  if (KEY_TOO_LARGE.test(text)) return 'The name of a key is longer than the target allows. Restore to another server.';
  if (name === 'JSON.SET') {
    return 'The snapshot holds JSON documents. Restore to a server that supports JSON.SET (Upstash, Redis with RedisJSON).';
  }
  return `Check that the target is a writable Redis 7 or Upstash database that supports the command, ${AGAIN}`;
}

/** A staged name means nothing to operators: the code that staged the key adds the key's real name. */
function isStagedName(key: RedisArgument): boolean {
  return typeof key === 'string' && isStaged(Buffer.from(key));
}
