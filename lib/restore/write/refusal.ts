import { AppError, type ErrorCode } from '../../errors.js';
import type { RedisArgument } from '../../ports/redis.js';
import type { Encryptor } from '../../ports/encryptor.js';
import { encryptName } from '../../snapshot/ledger.js';
import { shownName } from '../shown-name.js';

/** What the target refused, and for which key. The key's name must not be shown before it is encrypted where names are. */
class WriteRefusal extends AppError {
  constructor(
    error: AppError,
    readonly key: Buffer,
  ) {
    super(error.code, error.message, { hint: error.hint, transient: error.transient, cause: error.cause ?? error });
  }
}

/** Refusals that are about what was sent; everything else is about the database as a whole. */
const ABOUT_A_KEY: ReadonlySet<ErrorCode> = new Set(['redis-command', 'redis-reply-too-large', 'redis-denied']);

/** The error with the key that it is about, unless that is known already. */
export function about(key: RedisArgument, error: unknown): unknown {
  if (!(error instanceof AppError) || error instanceof WriteRefusal || !ABOUT_A_KEY.has(error.code)) return error;
  return new WriteRefusal(error, typeof key === 'object' ? Buffer.from(key) : Buffer.from(String(key)));
}

/** The error with its key's name in its message, as it may be shown. */
export async function named(encryptor: Encryptor, error: unknown): Promise<unknown> {
  if (!(error instanceof WriteRefusal)) return error;
  const { code, message, hint, transient, cause, key } = error;
  return new AppError(code, `${message}, for key ${shownName(await encryptName(encryptor, key))}`, {
    hint,
    transient,
    cause,
  });
}
