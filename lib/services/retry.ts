import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';

export interface RetryPolicy {
  /** Tries in all, the first included. */
  readonly attempts: number;
  /** Wait before the second try, in milliseconds; doubles each time. */
  readonly baseMs: number;
  /** Longest wait between two tries, in milliseconds; a longer `retryAfterMs` ends the tries at once. */
  readonly capMs: number;
  /** Where waits stop growing, in milliseconds, unless the other side asks for longer ones. Default: `capMs`. */
  readonly steadyMs?: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 6, baseMs: 200, capMs: 20_000 };

/**
 * Calls until it succeeds, fails for good, or the tries are used up; then throws the last error. Only AppErrors marked
 * transient are tried again. Waits follow "full jitter" (AWS Architecture Blog, Exponential Backoff And Jitter): a
 * random time up to the doubled cap, but never less than the other side asked for. Each error may have a policy.
 */
export async function withRetry<T>(
  clock: Clock,
  call: () => Promise<T>,
  policies: RetryPolicy | ((error: AppError) => RetryPolicy) = DEFAULT_RETRY,
  random: () => number = Math.random,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof AppError) || !error.transient) throw error;
      const policy = typeof policies === 'function' ? policies(error) : policies;
      if (attempt >= policy.attempts) throw error;
      const asked = error.retryAfterMs ?? 0;
      if (asked > policy.capMs) throw error;
      const ceiling = Math.min(policy.steadyMs ?? policy.capMs, policy.baseMs * 2 ** (attempt - 1));
      await clock.sleep(Math.max(asked, random() * ceiling));
    }
  }
}

/** `Retry-After` (RFC 9110, 10.2.3), seconds or a date, as milliseconds from `now`; undefined if it is neither. */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
