import { AppError } from '../../errors.js';

/** Upstash knows no such namespace: it is empty, which is not a failure. */
export class NamespaceMissing extends Error {}

export interface Refusal {
  readonly status: number;
  /** `Retry-After` in milliseconds, when the answer had one. */
  readonly retryAfterMs: number | undefined;
  /** The `error` of the answer's JSON; null when it had none. Matched, never shown: it may quote the request. */
  readonly text: string | null;
}

/** A plan's daily limit, which is renewed, and a limit that is not, as far as the text distinguishes them. */
const DAILY = /\bdaily\b|\bper day\b/i;
const QUOTA = /\b(?:monthly|quota|maximum vector count|max vector count)\b/i;
const MISSING = /^namespace\b.*\bdoes not exist\b/is;
const DIMENSION = /dimension\D*(\d+)\D+expected\D*(\d+)/i;

/** The error for an answer other than 200 (statuses: upstash.com/docs/vector/api/get-started). */
export function refusalError({ status, retryAfterMs, text }: Refusal): AppError | NamespaceMissing {
  if (status === 404 && text !== null && MISSING.test(text)) return new NamespaceMissing();
  if (status === 401 || status === 403) return deniedError(status);
  const limit = status >= 400 && status < 500 ? findPlanLimit(text) : null;
  if (limit !== null) return limit;
  if (status === 429) return rateError(retryAfterMs);
  if (status === 422 && (text === null || /dimension/i.test(text))) return mismatchError(text ?? '');
  if (status >= 500 || status === 408) {
    return unavailableError(`Upstash Vector answered HTTP ${status}`, { retryAfterMs });
  }
  return new AppError('vector-refused', `Upstash Vector refused the request (HTTP ${status})`, {
    hint: 'Check UPSTASH_VECTOR_REST_URL; if it is right, Upstash does not accept an id, its metadata (48 kB at most) or the namespace.',
  });
}

/** The error for an answer of 200 without a result. */
export function emptyAnswerError(text: string | null): AppError {
  return findPlanLimit(text) ?? unavailableError('Upstash Vector answered without a result');
}

/** The limit of the plan that the text of an error names. */
function findPlanLimit(text: string | null): AppError | null {
  if (text !== null && DAILY.test(text)) return dailyError();
  return text !== null && QUOTA.test(text) ? quotaError() : null;
}

interface Circumstances {
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

export function unavailableError(message: string, { retryAfterMs, cause }: Circumstances = {}): AppError {
  return new AppError('vector-unavailable', message, {
    hint: 'Check UPSTASH_VECTOR_REST_URL, that the index still exists in the Upstash console, and status.upstash.com.',
    transient: true,
    retryAfterMs,
    cause,
  });
}

/** The caller broke the contract: a defect of this program. Nothing was sent. */
export function callerError(message: string): AppError {
  return new AppError('internal', message, {
    hint: 'This is a defect in soulcaster-backup. Run the command again with DEBUG=1 and report what it prints.',
  });
}

function deniedError(status: number): AppError {
  return new AppError('vector-denied', `Upstash Vector did not accept the token (HTTP ${status})`, {
    hint: 'Copy UPSTASH_VECTOR_REST_URL and UPSTASH_VECTOR_REST_TOKEN (the standard token, as a read-only one may not write) of the same index from the Upstash console.',
  });
}

function dailyError(): AppError {
  return new AppError('vector-quota', 'The daily limit of the Upstash Vector plan is used up', {
    hint: 'Wait until it is renewed, or upgrade the plan in the Upstash console.',
  });
}

function quotaError(): AppError {
  return new AppError('vector-limit', 'A quota of the Upstash Vector plan is used up', {
    hint: 'Upgrade the plan in the Upstash console, or remove vectors that are not needed any more.',
  });
}

function rateError(retryAfterMs: number | undefined): AppError {
  return new AppError('vector-limit', "Upstash Vector's rate limit was hit (HTTP 429)", {
    hint: 'Try again in a minute; if it keeps happening, check the limits of the plan in the Upstash console.',
    transient: true,
    retryAfterMs,
  });
}

function mismatchError(text: string): AppError {
  const [, sent, expected] = DIMENSION.exec(text) ?? [];
  const numbers = sent === undefined || expected === undefined ? '' : `: it has ${expected} dimensions, not ${sent}`;
  return new AppError('vector-mismatch', `The vectors do not fit the Upstash Vector index${numbers}`, {
    hint: 'EMBEDDING_DIMENSIONS and EMBEDDING_MODEL must be those of the index; an index of another dimension has to be rebuilt.',
  });
}
