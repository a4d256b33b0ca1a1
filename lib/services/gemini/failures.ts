import { AppError } from '../../errors.js';

/** An answer other than 2xx: HTTP status, message (matched, never passed on), and `error.details` unchanged. */
interface GeminiRefusal {
  readonly status: number;
  readonly message: string;
  readonly details: unknown;
}

/** Refusals of the whole account that come as status 400 (https://ai.google.dev/gemini-api/docs/troubleshooting). */
const ACCOUNT = /user location is not supported|enable billing/i;

/** In the text of a refusal: a quota that lets nothing through. */
const NO_QUOTA = /\blimit: 0\b/;

/** The AppError for a refusal. `now` in milliseconds since the epoch. */
export function refusalError({ status, message, details }: GeminiRefusal, now: number): AppError {
  const parsed = errorDetails(details);
  if (status === 429 && (parsed.hasNoQuota || NO_QUOTA.test(message)))
    return new AppError(
      'embedder-denied',
      "The Google project's quota for the embedding model is 0: waiting does not help",
      {
        hint: 'Enable billing for the Google project of GEMINI_API_KEY, or set GEMINI_API_KEY to a key of a project with a quota for EMBEDDING_MODEL (https://ai.google.dev/gemini-api/docs/rate-limits). Then run the same command again.',
      },
    );
  if (status === 429) return parsed.perDay ? quotaError(msUntilPacificMidnight(now)) : limitError(parsed.retryDelayMs);
  if (status === 401 || status === 403) return deniedError(status);
  if (status === 404)
    return new AppError('embedder-denied', 'Gemini does not know the embedding model, or not for this key (HTTP 404)', {
      hint: 'Give --model, if the command had it, or else EMBEDDING_MODEL the name of a model that exists, the same that Soulcaster uses; check GEMINI_BASE_URL if it is set.',
    });
  if (status === 400 && parsed.reasons.includes('API_KEY_INVALID')) return deniedError(status);
  if (status === 400 && ACCOUNT.test(message))
    return new AppError('embedder-denied', 'Gemini does not serve this account from here', {
      hint: 'Enable billing for the Google project of GEMINI_API_KEY, or call from a region where the API is available.',
    });
  if (status === 400 || status === 413)
    return new AppError('embedder-refused', `Gemini refused at least one of the texts (HTTP ${status})`, {
      hint: 'Embed the texts one by one to find it: empty texts are refused. If all are, check EMBEDDING_DIMENSIONS and EMBEDDING_MODEL.',
    });
  return unavailableError(`Gemini answered HTTP ${status}`, parsed);
}

/** For failures that may pass a little later. */
export function unavailableError(message: string, { retryDelayMs }: Partial<ErrorDetails> = {}): AppError {
  return new AppError('embedder-unavailable', message, {
    hint: 'Check GEMINI_BASE_URL if it is set, and https://aistudio.google.com/status, then try again.',
    transient: true,
    retryAfterMs: retryDelayMs,
  });
}

/** For an answer with a good status and a bad body. */
export function brokenAnswerError(what: string): AppError {
  return unavailableError(`Gemini sent ${what} instead of the embeddings`);
}

function limitError(retryDelayMs: number | undefined): AppError {
  return new AppError('embedder-limit', "Gemini's rate limit was hit (HTTP 429)", {
    hint: 'Try again in a minute; every text counts, and the limit is shared by all keys of the Google project.',
    transient: true,
    retryAfterMs: retryDelayMs,
  });
}

function quotaError(retryAfterMs: number): AppError {
  return new AppError('embedder-quota', "Gemini's daily quota is used up", {
    hint: 'Wait until it is renewed at midnight Pacific time, or raise the usage tier of the Google project.',
    retryAfterMs,
  });
}

function deniedError(status: number): AppError {
  return new AppError('embedder-denied', `Gemini did not accept the API key (HTTP ${status})`, {
    hint: 'Set GEMINI_API_KEY to a valid key of Google AI Studio whose restrictions allow the Generative Language API.',
  });
}

const HOUR_MS = 3_600_000;

/**
 * Milliseconds from `now` (since the epoch) until the next midnight in Pacific time, when Gemini renews daily quotas
 * (https://ai.google.dev/gemini-api/docs/rate-limits).
 */
export function msUntilPacificMidnight(now: number): number {
  const today = pacificTime(now);
  // Midnight is 08:00 UTC, in summer 07:00. Clocks change at two o'clock, so midnight itself is unambiguous.
  const inWinter = Date.UTC(today.year, today.month - 1, today.day + 1, 8);
  const midnight = pacificTime(inWinter).hour === 0 ? inWinter : inWinter - HOUR_MS;
  return midnight - now;
}

function pacificTime(at: number): { year: number; month: number; day: number; hour: number } {
  const pacific = new Intl.DateTimeFormat('en-US', {
    timeZone: 'America/Los_Angeles',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
  });
  const parts = pacific.formatToParts(at);
  const number = (type: Intl.DateTimeFormatPartTypes): number =>
    Number(parts.find((part) => part.type === type)?.value);
  return { year: number('year'), month: number('month'), day: number('day'), hour: number('hour') };
}

/** The parts of a Google API error's `details` that matter here. */
interface ErrorDetails {
  /** `reason` of each ErrorInfo, such as `API_KEY_INVALID`. */
  readonly reasons: readonly string[];
  /** `retryDelay` of RetryInfo in milliseconds; undefined when there is none. */
  readonly retryDelayMs: number | undefined;
  /** Whether one of the exhausted quotas is a daily one. */
  readonly perDay: boolean;
  /** Whether one of the quotas is 0. */
  readonly hasNoQuota: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Parses the details of an error. They may be of any shape: not a list, or with undocumented entries.
 * Sources: google/rpc/error_details.proto; https://ai.google.dev/gemini-api/docs/rate-limits for the quotas.
 */
function errorDetails(details: unknown): ErrorDetails {
  const entries = listOf(details);
  const ofType = (name: string): Fields[] => entries.filter((entry) => entry['@type'] === TYPE + name);
  const infos = ofType('ErrorInfo');
  const violations = ofType('QuotaFailure').flatMap((failure) => listOf(failure.violations));
  const older = infos.map(({ metadata }) => (isFields(metadata) ? metadata : {}));
  const quotas = [...violations.map(({ quotaId }) => quotaId), ...older.map((metadata) => metadata.quota_limit)];
  const values = [...violations.map((one) => one.quotaValue), ...older.map((metadata) => metadata.quota_limit_value)];
  return {
    reasons: infos.map(({ reason }) => reason).filter((reason) => typeof reason === 'string'),
    retryDelayMs: ofType('RetryInfo')
      .map(({ retryDelay }) => durationMs(retryDelay))
      .find((ms) => ms !== undefined),
    perDay: quotas.some((quota) => typeof quota === 'string' && quota.includes('PerDay')),
    hasNoQuota: values.some((value) => value === '0' || value === 0),
  };
}

const TYPE = 'type.googleapis.com/google.rpc.';

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

/** A Duration in protobuf's JSON, `"17.5s"`, in whole milliseconds, rounded up. */
function durationMs(text: unknown): number | undefined {
  const seconds = typeof text === 'string' ? /^(\d+(?:\.\d{1,9})?)s$/.exec(text)?.[1] : undefined;
  return seconds === undefined ? undefined : Math.ceil(Number(seconds) * 1000);
}
