import { AppError } from '../errors.js';
import type { Heartbeat, HeartbeatSignal } from '../ports/alerter.js';
import type { Clock } from '../ports/clock.js';
import { findObjection, readText } from './rest.js';
import { parseRetryAfter, type RetryPolicy, withRetry } from './retry.js';

interface HeartbeatOptions {
  /** `HEARTBEAT_URL`; null when no pings are sent. */
  readonly url: string | null;
  readonly clock: Clock;
  /** Default: two attempts. */
  readonly retry?: RetryPolicy;
}

const RETRY: RetryPolicy = { attempts: 2, baseMs: 500, capMs: 2_000 };
const TIMEOUT_MS = 8_000;
const PATHS: Readonly<Record<HeartbeatSignal, string>> = { start: '/start', success: '', fail: '/fail', log: '/log' };
/** Texts of healthchecks.io, with status 200, for a ping that it rejects. */
const REJECTED_PINGS: Readonly<Record<string, string>> = {
  'OK (not found)': 'knows no check of this address',
  'OK (rate limited)': 'was pinged too often and did not count it',
};
const MAX_ANSWER_BYTES = 1_024;

/**
 * Pings in the form of healthchecks.io: GET of the address for success, with `/start`, `/fail` or `/log` after its path
 * for the other signals. Source: healthchecks.io/docs/http_api
 */
export function httpHeartbeat({ url, clock, retry = RETRY }: HeartbeatOptions): Heartbeat {
  return {
    configured: url !== null,
    async ping(signal) {
      if (url === null) return;
      const target = new URL(url);
      target.pathname = target.pathname.replace(/\/+$/, '') + PATHS[signal];
      await withRetry(clock, () => sendPing(target.href), retry);
    },
  };
}

/**
 * No error holds the address or fetch's text about it: anyone who knows the address can ping it. A redirect is not
 * followed and is a failure.
 */
async function sendPing(url: string): Promise<void> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { redirect: 'manual', signal });
    text = (await readText(response, MAX_ANSWER_BYTES)).trim();
  } catch {
    throw heartbeatError(
      signal.aborted ? `did not answer within ${TIMEOUT_MS / 1000} seconds` : 'cannot be reached',
      true,
    );
  }
  const { headers, status } = response;
  if (response.ok) {
    const why = REJECTED_PINGS[text];
    if (why !== undefined) throw heartbeatError(why, false);
    const objection = findObjection(text);
    if (objection !== null) throw heartbeatError(`${objection.how} (HTTP ${status})`, objection.isTransient);
    return;
  }
  const isTransient = status >= 500 || status === 429 || status === 408;
  throw heartbeatError(
    `answered with status ${status}`,
    isTransient,
    parseRetryAfter(headers.get('retry-after'), Date.now()),
  );
}

function heartbeatError(how: string, transient: boolean, retryAfterMs?: number): AppError {
  return new AppError('alert-unavailable', `The heartbeat ${how}`, {
    hint: 'Set HEARTBEAT_URL to the ping address of the check, as its service shows it (healthchecks.io or a compatible one), or check whether that service is down.',
    transient,
    retryAfterMs,
  });
}
