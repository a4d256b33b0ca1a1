import { AppError, type ErrorCode } from '../../errors.js';
import type { RedisArgument } from '../../ports/redis.js';
import type { Encryptor } from '../../ports/crypto.js';
import { encryptName } from '../../snapshot/ledger.js';
import { shownName } from '../shown-name.js';

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
