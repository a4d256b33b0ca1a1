const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The longest wait between two deliveries of a message: one day. */
export const LONGEST_WAIT_MS = 86_400_000;

/** Parses a duration of QStash (`30s`, `1h30m`, or a number of seconds) into milliseconds; null if it is invalid. */
export function parseDuration(text: string): number | null {
  const bare = text.trim();
  if (/^\d+(\.\d+)?$/.test(bare)) return Number(bare) * 1000;
  const parts = [...bare.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== bare) return null;
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNITS[unit ?? ''] ?? 0), 0);
}

const WAIT_HEADERS = ['retry-after', 'x-ratelimit-reset', 'x-ratelimit-reset-requests', 'x-ratelimit-reset-tokens'];

/**
 * The wait that a reply requests (seconds, an HTTP date or a duration), in milliseconds. Null when there is none, or when it
 * is longer than a day: QStash then uses its default backoff.
 * Source: https://upstash.com/docs/qstash/features/retry
 */
export function parseRequestedWait(headers: Readonly<Record<string, unknown>>, now: number): number | null {
  const value = WAIT_HEADERS.map((name) => headers[name]).find((entry) => typeof entry === 'string');
  if (typeof value !== 'string') return null;
  const date = /GMT$/.test(value) ? Date.parse(value) - now : Number.NaN;
  const wait = Number.isNaN(date) ? parseDuration(value) : Math.max(0, date);
  return wait === null || wait > LONGEST_WAIT_MS ? null : wait;
}

/** QStash's default backoff before the n-th retry (n from 1), in milliseconds: `min(86400, e ** (2.5 * n))` seconds. */
export function defaultBackoff(n: number): number {
  return Math.min(LONGEST_WAIT_MS, Math.round(Math.exp(2.5 * n)) * 1000);
}
