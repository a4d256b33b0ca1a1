import { AppError } from '../../errors.js';
import { parseRetryAfter } from '../retry.js';

/** Statuses that may be caused by the plan. */
const MAY_BE_PLAN = [400, 403, 409, 422];
const PLAN_WORDS = /\b(plan|tier|upgrade|paid|subscription)\b/i;

export interface DeveloperAnswer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly text: string;
}

/**
 * The error for an answer other than 2xx. The text of a refusal is matched and not repeated. Source of the statuses:
 * upstash.com/docs/devops/developer-api/http_status_codes; the refusal of a plan without backups is not documented.
 */
export function refusalError({ status, retryAfter, text }: DeveloperAnswer, now: number): AppError {
  if (status === 401)
    return deniedError('Upstash does not accept UPSTASH_EMAIL and UPSTASH_API_KEY (HTTP 401)', NEW_KEY);
  if (status === 402 || (MAY_BE_PLAN.includes(status) && PLAN_WORDS.test(text))) return planError(status);
  if (status === 403) return deniedError('The Upstash key may not do this (HTTP 403)', WIDER_KEY);
  if (status === 404) return notFoundError();
  if (status === 429) return rateLimitError(parseRetryAfter(retryAfter, now));
  if (status >= 500 || status === 408) return unavailableError(`Upstash's developer API answered HTTP ${status}`);
  if (status < 400) return foreignAnswerError();
  return new AppError('upstash-refused', `Upstash refused the request (HTTP ${status})`, {
    hint: 'Check the database in the Upstash console: another backup or restore may be under way, or its plan may have no backups.',
  });
}

export function unavailableError(message: string, cause?: unknown): AppError {
  return new AppError('upstash-unavailable', message, {
    hint: 'Check status.upstash.com, and UPSTASH_API_URL if it is set; then run the same command again.',
    transient: true,
    cause,
  });
}

export function foreignAnswerError(): AppError {
  return new AppError('upstash-unavailable', "What answered is not Upstash's developer API", {
    hint: 'Check UPSTASH_API_URL; the default is https://api.upstash.com.',
  });
}

const NEW_KEY =
  'Create a key in the Upstash console (Account, Management API) and set both. An account created through Vercel or Fly has no such API.';
const WIDER_KEY =
  'A read-only key can only list; a database of a team needs a key of that team, with your own UPSTASH_EMAIL.';

function deniedError(message: string, hint: string): AppError {
  return new AppError('upstash-denied', message, { hint });
}

function planError(status: number): AppError {
  return new AppError('upstash-plan', `The plan of this database does not allow it (HTTP ${status})`, {
    hint: 'Check the plan of the database in the Upstash console. The snapshots of this program do not depend on it.',
  });
}

function notFoundError(): AppError {
  return new AppError('not-found', 'Upstash knows no such database or backup (HTTP 404)', {
    hint: 'Check UPSTASH_REDIS_ID (the id in the console, not the name), and `npx soulcaster-backup upstash backups list --env-file .env`.',
  });
}

function rateLimitError(retryAfterMs: number | undefined): AppError {
  return new AppError('upstash-limit', "The rate limit of Upstash's developer API is reached (HTTP 429)", {
    hint: 'Run the same command again in a minute.',
    transient: true,
    retryAfterMs,
  });
}
