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
import { about } from './refusal.js';
import { errorKind } from '../../snapshot/read/batch.js';

const RECORD_TOO_LARGE = /max single record size exceeded/i;
const KEY_TOO_LARGE = /max key size exceeded/i;

const AGAIN = 'then run the restore again: what is written already is written over.';

/** The replies' values, in order. Throws `redis-command` for the first command that was refused. */
export function valuesOf(replies: readonly RedisReply[], commands: readonly SentCommand[]): RedisValue[] {
  return replies.map((reply, at) => {
    if ('value' in reply) return reply.value;
    const [name = 'a command', key] = commands[at] ?? [];
    const error = commandError(name, reply.error);
    throw key === undefined || key instanceof JsonArguments || isStagedName(key) ? error : about(key, error);
  });
}

/** Says the command's name and the error's kind: the rest of Redis's text may quote a value. */
export function commandError(name: string, text: string): AppError {
  const message = `The target database refused ${name}: ${errorKind(text)}`;
  return new AppError('redis-command', message, { hint: hintFor(name, text) });
}

/** What the port threw for a whole batch, with a hint that fits a restore where there is one. */
export function batchError(error: unknown, commands: readonly SentCommand[]): unknown {
  if (!(error instanceof AppError) || error.code !== 'redis-command') return error;
  const name = commands.some(([command]) => command === 'JSON.SET') ? 'JSON.SET' : 'a batch';
  return commandError(name, error.message.replace(/^.*?refused the batch: /, ''));
}

export function fieldExpiryError(kind: string): AppError {
  return new AppError('redis-command', `The target database refused HPEXPIREAT: ${kind}`, {
    hint: 'Some hash fields of the snapshot expire by themselves. Restore with expiry rule drop, or to a server that knows HPEXPIREAT (Upstash, Redis 7.4).',
  });
}

/** A staged key is gone or is not what was written: evicted, flushed, or touched by a request that came late. */
export function stagedKeyError(): AppError {
  return new AppError('redis-unavailable', 'A key that was being put together is not as it was written', {
    hint: 'It is written again with the next try. If it keeps happening, see whether the target evicts keys or somebody flushes it.',
    transient: true,
  });
}

function hintFor(name: string, text: string): string {
  if (saysFull(text)) return `The target is full. Raise its plan's data size or free some of it, ${AGAIN}`;
  if (RECORD_TOO_LARGE.test(text)) return `A key is larger than the target's plan allows. Raise the plan, ${AGAIN}`;
  if (KEY_TOO_LARGE.test(text)) return 'The name of a key is longer than the target allows. Restore to another server.';
  if (name === 'JSON.SET') {
    return 'The snapshot holds JSON documents. Restore to a server that knows JSON.SET (Upstash, Redis with RedisJSON).';
  }
  return `Check that the target is a writable Redis 7 or Upstash database that supports the command, ${AGAIN}`;
}

/** A name of our own says nothing to anybody: whoever staged the key knows whose it is. */
function isStagedName(key: RedisArgument): boolean {
  return typeof key === 'string' && isStaged(Buffer.from(key));
}
