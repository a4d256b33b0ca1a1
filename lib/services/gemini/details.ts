/** What the `details` of an error of Google's APIs say, as far as it matters here. */
export interface ErrorDetails {
  /** `reason` of each ErrorInfo, such as `API_KEY_INVALID`. */
  readonly reasons: readonly string[];
  /** `retryDelay` of RetryInfo in milliseconds; undefined when there is none. */
  readonly retryDelayMs: number | undefined;
  /** Whether one of the quotas that are used up is a daily one. */
  readonly perDay: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads the details of an error, whatever came: it may be no list, or hold what is not documented.
 * Sources: google/rpc/error_details.proto; https://ai.google.dev/gemini-api/docs/rate-limits for the quotas.
 */
export function errorDetails(details: unknown): ErrorDetails {
  const entries = listOf(details);
  const ofType = (name: string): Fields[] => entries.filter((entry) => entry['@type'] === TYPE + name);
  const infos = ofType('ErrorInfo');
  const quotas = [
    ...ofType('QuotaFailure').flatMap((failure) => listOf(failure.violations).map(({ quotaId }) => quotaId)),
    ...infos.map(({ metadata }) => (isFields(metadata) ? metadata.quota_limit : undefined)),
  ];
  return {
    reasons: infos.map(({ reason }) => reason).filter((reason) => typeof reason === 'string'),
    retryDelayMs: ofType('RetryInfo')
      .map(({ retryDelay }) => durationMs(retryDelay))
      .find((ms) => ms !== undefined),
    perDay: quotas.some((quota) => typeof quota === 'string' && quota.includes('PerDay')),
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
