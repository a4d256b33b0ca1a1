import { AppError, type ErrorCode } from '../../errors.js';
import {
  JsonArguments,
  type RedisArgument,
  type RedisReply,
  type RedisValue,
  type SentCommand,
} from '../../ports/redis.js';
import { saysFull } from '../../redis/at-once.js';
import { errorKind } from '../../snapshot/read/batch.js';
import type { Encryptor } from '../../ports/crypto.js';
import { encryptName } from '../../snapshot/ledger.js';
import type { LedgerKey } from '../../snapshot/manifest.js';
import { isStaged } from '../target.js';

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

/** An error of the target, with its key. The key's name must be encrypted before it is shown where names are encrypted. */
class WriteRefusal extends AppError {
  constructor(
    error: AppError,
    readonly key: Buffer,
  ) {
    super(error.code, error.message, { hint: error.hint, transient: error.transient, cause: error.cause ?? error });
  }
}

/** Errors about the command that was sent; all others are about the database as a whole. */
const ABOUT_A_KEY: ReadonlySet<ErrorCode> = new Set(['redis-command', 'redis-reply-too-large', 'redis-denied']);

/** Attaches the key to an error, unless it has one already. */
export function attachKey(key: RedisArgument, error: unknown): unknown {
  if (!(error instanceof AppError) || error instanceof WriteRefusal || !ABOUT_A_KEY.has(error.code)) return error;
  return new WriteRefusal(error, typeof key === 'object' ? Buffer.from(key) : Buffer.from(String(key)));
}

/** Adds the name of the attached key to the error's message, encrypted where names are encrypted. */
export async function showKeyName(encryptor: Encryptor, error: unknown): Promise<unknown> {
  if (!(error instanceof WriteRefusal)) return error;
  const { code, message, hint, transient, cause, key } = error;
  return new AppError(code, `${message}, for key ${shownName(await encryptName(encryptor, key))}`, {
    hint,
    transient,
    cause,
  });
}

const LONGEST = 100;

/** A key's name as it may appear in a run's record and in an error: encrypted where names are encrypted. */
export function shownName(key: LedgerKey): string {
  if (typeof key === 'string') return JSON.stringify(key.slice(0, LONGEST));
  return 'age' in key ? `age:${key.age}` : `base64:${key.b.slice(0, LONGEST)}`;
}
