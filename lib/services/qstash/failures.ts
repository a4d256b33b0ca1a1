import { QstashDailyRatelimitError, QstashError, QstashRatelimitError } from '@upstash/qstash';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';

/** The SDK takes no signal and waits for minutes: an answer after `ms` is ignored. */
export async function withinTime<T>(call: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('timeout')), ms);
  });
  return Promise.race([call, late]).finally(() => clearTimeout(timer));
}

/** Keeps the vendor's text out of the message: it may quote what was sent. */
export function toQueueError(error: unknown, clock: Clock): AppError {
  if (error instanceof QstashDailyRatelimitError) {
    return new AppError('queue-unavailable', "QStash's daily message quota is used up", {
      hint: 'Wait until the quota is renewed (midnight UTC) or change the QStash plan; --local works without the queue.',
    });
  }
  if (error instanceof QstashRatelimitError) {
    return rateLimitError(retryAfterFrom(error.reset, clock).retryAfterMs);
  }
  const status = error instanceof QstashError ? error.status : undefined;
  return status === undefined || status >= 500 ? unavailableError(error, status) : refusalError(status);
}

export function rateLimitError(retryAfterMs: number | undefined): AppError {
  return new AppError('queue-unavailable', 'QStash is limiting the rate of requests', {
    hint: 'Try again in a few seconds, or see the limits of the plan in the QStash console for QSTASH_TOKEN; on the command line, --local works without the queue.',
    transient: true,
    retryAfterMs,
  });
}

export function unavailableError(cause: unknown, status: number | undefined): AppError {
  const what = status === undefined ? 'QStash cannot be reached' : `QStash answered with status ${status}`;
  return new AppError('queue-unavailable', what, {
    hint: 'Check QSTASH_URL and https://status.upstash.com, then try again; on the command line, --local works without the queue.',
    transient: true,
    // A QstashError's text is the service's reply; a network error's holds addresses only.
    ...(cause instanceof QstashError ? {} : { cause }),
  });
}

export function refusalError(status: number): AppError {
  if (status === 401 || status === 403) {
    return new AppError('queue-denied', 'QStash refused the token', {
      hint: 'Set QSTASH_TOKEN to the token of the QStash console, and QSTASH_URL to the region it belongs to; --local works without the queue.',
    });
  }
  return new AppError('queue-unavailable', `QStash refused the request with status ${status}`, {
    hint: 'Check that QSTASH_URL is right, that PUBLIC_URL is a public https address, and the limits of the QStash plan.',
  });
}

/** `reset` is a Unix time in seconds (https://upstash.com/docs/qstash/api/api-ratelimiting). */
function retryAfterFrom(reset: string | null, clock: Clock): { retryAfterMs?: number } {
  const at = Number(reset ?? '');
  return at > 0 ? { retryAfterMs: Math.max(0, at * 1000 - clock.now()) } : {};
}
