import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';

export interface RetryPolicy {
  /** Attempts in all, including the first. */
  readonly attempts: number;
  /** Wait before the second attempt, in milliseconds; twice as long before each further one. */
  readonly baseMs: number;
  /** Longest wait between two attempts, in milliseconds; a longer `retryAfterMs` ends them at once. */
  readonly capMs: number;
  /** Where waits stop growing, in milliseconds, unless `retryAfterMs` is longer. Default: `capMs`. */
  readonly steadyMs?: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 6, baseMs: 200, capMs: 20_000 };

/**
 * Repeats a call until it succeeds, fails permanently, or has no attempts left; then throws the last error. Only AppErrors
 * marked transient are retried. Waits follow "full jitter" (AWS Architecture Blog, Exponential Backoff And Jitter): a
 * random time up to the exponential ceiling, but at least `retryAfterMs`. Each error may have its policy.
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
      const retryAfterMs = error.retryAfterMs ?? 0;
      if (retryAfterMs > policy.capMs) throw error;
      const ceiling = Math.min(policy.steadyMs ?? policy.capMs, policy.baseMs * 2 ** (attempt - 1));
      await clock.sleep(Math.max(retryAfterMs, random() * ceiling));
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
