import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { Heartbeat, HeartbeatSignal } from '../ports/heartbeat.js';
import { objectionIn, textOf } from './answer-text.js';
import { parseRetryAfter, type RetryPolicy, withRetry } from './retry.js';

interface HeartbeatOptions {
  /** `HEARTBEAT_URL`; null when nobody listens. */
  readonly url: string | null;
  readonly clock: Clock;
  /** Default: two tries. */
  readonly retry?: RetryPolicy;
}

const RETRY: RetryPolicy = { attempts: 2, baseMs: 500, capMs: 2_000 };
const TIMEOUT_MS = 8_000;
const PATHS: Readonly<Record<HeartbeatSignal, string>> = { start: '/start', success: '', fail: '/fail', log: '/log' };
/** What healthchecks.io answers with status 200 to a ping that it does not take. */
const NOT_TAKEN: Readonly<Record<string, string>> = {
  'OK (not found)': 'knows no check of this address',
  'OK (rate limited)': 'was pinged too often and did not count it',
};
const LONGEST_ANSWER = 1_024;

/**
 * Pings as healthchecks.io takes them: GET of the address for success, with `/start`, `/fail` or `/log` behind its path
 * else. Source: healthchecks.io/docs/http_api
 */
export function httpHeartbeat({ url, clock, retry = RETRY }: HeartbeatOptions): Heartbeat {
  return {
    configured: url !== null,
    async ping(signal) {
      if (url === null) return;
      const target = new URL(url);
      target.pathname = target.pathname.replace(/\/+$/, '') + PATHS[signal];
      await withRetry(clock, () => call(target.href), retry);
    },
  };
}

/**
 * Neither the address nor what fetch says of it goes into an error: whoever knows such an address may write to it. A
 * redirect is no success, and would take the ping elsewhere.
 */
async function call(url: string): Promise<void> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { redirect: 'manual', signal });
    text = (await textOf(response, LONGEST_ANSWER)).trim();
  } catch {
    throw unavailable(
      signal.aborted ? `did not answer within ${TIMEOUT_MS / 1000} seconds` : 'cannot be reached',
      true,
    );
  }
  const { headers, status } = response;
  if (response.ok) {
    const why = NOT_TAKEN[text];
    if (why !== undefined) throw unavailable(why, false);
    const objection = objectionIn(text);
    if (objection !== null) throw unavailable(`${objection.how} (HTTP ${status})`, objection.passes);
    return;
  }
  const passes = status >= 500 || status === 429 || status === 408;
  throw unavailable(`answered with status ${status}`, passes, parseRetryAfter(headers.get('retry-after'), Date.now()));
}

function unavailable(how: string, transient: boolean, retryAfterMs?: number): AppError {
  return new AppError('alert-unavailable', `The heartbeat ${how}`, {
    hint: 'Set HEARTBEAT_URL to the ping address of the check, as its service shows it (healthchecks.io or one that takes the same pings), or see whether that service is down.',
    transient,
    retryAfterMs,
  });
}
