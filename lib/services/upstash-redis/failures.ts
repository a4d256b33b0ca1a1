import { AppError } from '../../errors.js';
import { decodedCommand, type RedisArgument, type SentCommand } from '../../ports/redis.js';

/** The plan's quota, per month today and per day on older plans (upstash.com/docs/redis/troubleshooting). */
const QUOTA = /max (?:daily |monthly )?requests? limit exceeded/i;
const TOO_LARGE = /max request size exceeded/i;
const DENIED = /^(?:ERR )?(?:WRONGPASS|NOPERM|NOAUTH|unauthorized|forbidden)\b/i;

export function isQuotaError(text: string): boolean {
  return QUOTA.test(text);
}

/** A server that is loading its data, or a replica without its master, refuses every command for a while. */
export function isStarting(text: string): boolean {
  return /^(?:ERR )?(?:LOADING|MASTERDOWN)\b/.test(text);
}

export interface Refusal {
  readonly status: number;
  /** `Retry-After` in milliseconds, when the answer had one. */
  readonly retryAfterMs: number | undefined;
  /** The `error` of the answer's JSON; null when it had none. */
  readonly text: string | null;
}

/** The AppError for a request that Upstash refused as a whole. The answer's text takes precedence over its status. */
export function refusalError({ status, retryAfterMs, text }: Refusal, commands: readonly SentCommand[]): AppError {
  if (text !== null && isQuotaError(text)) return quotaError();
  if (status === 413 || (text !== null && TOO_LARGE.test(text))) {
    return tooLargeError('The request or its reply is over the size limit of the Upstash plan');
  }
  if (status === 401 || status === 403 || (text !== null && DENIED.test(text))) return deniedError(status, text);
  if (status === 429)
    return new AppError('redis-limit', "Upstash Redis's rate limit was hit (HTTP 429)", {
      hint: "Try again in a minute; if it keeps happening, other clients use up the plan's commands per second.",
      transient: true,
      retryAfterMs,
    });
  if (text === null || status >= 500)
    return unavailableError(`Upstash Redis answered HTTP ${status}`, { retryAfterMs });
  return new AppError('redis-command', `Upstash Redis refused the batch: ${redactErrorText(text, commands)}`, {
    hint: 'None of its commands ran. Check in the Upstash console that the database supports them.',
  });
}

export function quotaError(): AppError {
  return new AppError('redis-limit', "The Upstash plan's request quota is used up", {
    hint: 'Upgrade the plan or raise its budget in the Upstash console, or wait until the quota is reset (monthly; daily on old plans).',
  });
}

export function tooLargeError(message: string): AppError {
  return new AppError('redis-reply-too-large', message, {
    hint: 'Request less at a time: smaller pages of large keys, fewer keys in a batch; or use a plan with a higher limit.',
  });
}

interface Circumstances {
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

export function unavailableError(message: string, { retryAfterMs, cause }: Circumstances = {}): AppError {
  return new AppError('redis-unavailable', message, {
    hint: 'Check UPSTASH_REDIS_REST_URL, that the database still exists in the Upstash console, and status.upstash.com.',
    transient: true,
    retryAfterMs,
    cause,
  });
}

function deniedError(status: number, text: string | null): AppError {
  const mayNot = text !== null && /NOPERM/i.test(text);
  const message = mayNot
    ? 'The Upstash Redis token may not run this command'
    : 'Upstash Redis did not accept the token';
  return new AppError('redis-denied', `${message} (HTTP ${status})`, {
    hint: mayNot
      ? 'Use the standard token of the database: a read-only one may neither SCAN nor write.'
      : 'Copy UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN (the standard token) of the same database from the Upstash console; resetting its password changes the token.',
  });
}

const MAX_LENGTH = 200;
/** Shorter arguments ("0", "EX") would blank out ordinary words, and reveal nothing. */
const MIN_ARGUMENT_LENGTH = 4;

/** Upstash's own message about a size: it holds numbers only, and callers request less when they recognise it. */
const SIZE_MESSAGE = /^ERR max request size exceeded[\w .:,]*$/;

/**
 * Redis's error text without quoted parts of the command: keys, fields, values. The error's code and the command's name
 * stay. Some servers quote whole argument lists, or arguments without quotes, so both quoted spans and the arguments
 * themselves are removed; an argument that is an ordinary word removes that word as well.
 */
export function redactErrorText(text: string, commands: readonly SentCommand[]): string {
  if (SIZE_MESSAGE.test(text)) return text.slice(0, MAX_LENGTH);
  const code = /^[A-Z]+(?= |$)/.exec(text)?.[0] ?? '';
  let plain = text.slice(code.length).split(', with args beginning with', 1)[0] ?? '';
  for (const command of commands) {
    const [name, ...args] = decodedCommand(command);
    plain = plain.replaceAll(`'${name}'`, name).replaceAll(`'${name.toLowerCase()}'`, name);
    for (const arg of args) plain = redactArgument(plain, arg);
  }
  // From the first quote that opens a word to the last quote: a quoted key may hold quotes itself.
  plain = plain.replace(/(^|[\s(:=])["'`][\s\S]*["'`]/, '$1...').replace(/(^|[\s(:=])["'`][\s\S]*$/, '$1...');
  return (code + plain.replace(/\p{C}+/gu, ' ')).slice(0, MAX_LENGTH).trim();
}

function redactArgument(text: string, arg: RedisArgument): string {
  if (typeof arg === 'number' || arg.length < MIN_ARGUMENT_LENGTH || arg.length > text.length * 3) return text;
  return text.replaceAll(typeof arg === 'string' ? arg : Buffer.from(arg).toString('utf8'), '...');
}
