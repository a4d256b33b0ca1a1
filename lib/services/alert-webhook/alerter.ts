import { createHash } from 'node:crypto';
import type { Alerter, Delivery, Reachable } from '../../ports/alerter.js';
import type { Clock } from '../../ports/clock.js';
import { bodyOf, formatOf, type AlertFormat } from './formats.js';
import { networkCode } from '../rest.js';
import { withRetry, type RetryPolicy, parseRetryAfter } from '../retry.js';
import { objectionIn, textOf } from '../answer-text.js';
import { AppError } from '../../errors.js';

interface AlertWebhookOptions {
  /** `ALERT_WEBHOOK_URL`; null when alerts go nowhere. */
  readonly url: string | null;
  /** `ALERT_FORMAT`; by the host when left out. */
  readonly format?: AlertFormat;
  readonly clock: Clock;
  /** For what has certainly not arrived. Default: three tries within seconds. The next guard tries again. */
  readonly retry?: RetryPolicy;
  /** How long an answer is waited for, in milliseconds. Default 35,000: receivers of 30 seconds are known. */
  readonly timeoutMs?: number;
}

const RETRY: RetryPolicy = { attempts: 3, baseMs: 500, capMs: 5_000 };
const TIMEOUT_MS = 35_000;

/** Alerts as one JSON POST, in the form that the receiver understands. */
export function alertWebhook({
  url,
  format,
  clock,
  retry = RETRY,
  timeoutMs = TIMEOUT_MS,
}: AlertWebhookOptions): Alerter {
  return {
    configured: url !== null,
    // Whoever knows the address can write to it, so that no more than a fingerprint of it is kept.
    address: url === null ? null : createHash('sha256').update(`alert-webhook ${url}`).digest('hex').slice(0, 16),
    async send(text, alerts, key) {
      if (url === null) return 'delivered';
      const body = JSON.stringify(bodyOf(format ?? formatOf(url), text, alerts));
      const headers = { 'content-type': 'application/json', 'idempotency-key': key };
      return withRetry(clock, () => deliver(url, { method: 'POST', headers, body }, timeoutMs), retry);
    },
  };
}

/** Causes of a failed fetch after which nothing can have arrived: there was no connection. */
const NEVER_CONNECTED =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|EPROTO|CERT_.*|DEPTH_ZERO_.*|SELF_SIGNED_.*|UNABLE_TO_.*|ERR_TLS_.*|ERR_SSL_.*)$/;
/** Statuses of gateways that gave up on the receiver behind them, which may have taken the message. */
const GAVE_UP = new Set([502, 504, 524]);

/**
 * Hands over one message and waits long for the answer: what a receiver may have taken is `unknown`, never a failure, so
 * that a slow one gets no copies. Throws `alert-unavailable` for what has certainly not arrived, transient where it may
 * pass. Neither the address nor what fetch says of it goes into an error: whoever knows it may write to it.
 */
async function deliver(url: string, init: RequestInit, timeoutMs: number): Promise<Delivery> {
  const signal = AbortSignal.timeout(timeoutMs);
  let response: Response;
  try {
    response = await fetch(url, { ...init, redirect: 'manual', signal });
  } catch (error) {
    const code = networkCode(error);
    // Without a code of the network there was no request at all: fetch itself refused the address.
    if (signal.aborted || (code !== null && !NEVER_CONNECTED.test(code))) return 'unknown';
    throw failed(`cannot be reached (${code ?? 'refused address'})`, 'Check the host in ALERT_WEBHOOK_URL.', true);
  }
  const { status } = response;
  if (response.ok) {
    const objection = objectionIn(await saidBy(response));
    if (objection === null) return 'delivered';
    throw failed(`${objection.how} (HTTP ${status})`, OBJECTED, objection.passes);
  }
  await response.body?.cancel();
  if (GAVE_UP.has(status)) return 'unknown';
  const passes = status >= 500 || status === 429 || status === 408;
  throw failed(`answered with status ${status}`, hintOf(status), passes, waitOf(response));
}

const OBJECTED =
  'Copy the address of the webhook from the receiver again and set ALERT_WEBHOOK_URL to it; set ALERT_FORMAT if the receiver wants another form of message.';
/** What a receiver says beside its status is short, and comes with it. */
const MOST_BYTES = 4_096;
const SAYS_WITHIN_MS = 3_000;

/** Empty for one that does not end what it says: the status stands. */
async function saidBy(response: Response): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, SAYS_WITHIN_MS, '');
  });
  const text = textOf(response, MOST_BYTES).catch(() => '');
  return Promise.race([text, late]).finally(() => {
    clearTimeout(timer);
    void response.body?.cancel().catch(() => undefined);
  });
}

function hintOf(status: number): string {
  if (status === 401 || status === 403 || status === 404 || status === 410) {
    return 'The webhook is gone or its secret is wrong: make a new one at the receiver and set ALERT_WEBHOOK_URL.';
  }
  if (status === 400 || status === 415 || status === 422) {
    return 'The receiver wants another form of message: set ALERT_FORMAT to slack, discord, teams, google-chat or generic.';
  }
  if (status >= 300 && status < 400) {
    return 'The address redirects, and alerts are not sent on: set ALERT_WEBHOOK_URL to the final address.';
  }
  return 'See the status page of the receiver.';
}

function failed(how: string, hint: string, transient: boolean, retryAfterMs?: number): AppError {
  return new AppError('alert-unavailable', `The alert webhook ${how}`, {
    hint: `${hint} Then: npx soulcaster-backup alerts test --env-file .env`,
    transient,
    retryAfterMs,
  });
}

function waitOf({ headers }: Response): number | undefined {
  return parseRetryAfter(headers.get('retry-after'), Date.now());
}

const REACH_TIMEOUT_MS = 10_000;

/**
 * Connects to the host of an address and asks for its root, never for the address itself: a receiver would take that for a
 * message or a sign of life. Whatever answers is enough.
 */
export function reachable(url: string, timeoutMs = REACH_TIMEOUT_MS): Reachable {
  return {
    async reach() {
      const signal = AbortSignal.timeout(timeoutMs);
      try {
        const response = await fetch(new URL('/', url), { method: 'HEAD', redirect: 'manual', signal });
        await response.body?.cancel();
      } catch (error) {
        const how = signal.aborted
          ? `does not answer within ${timeoutMs / 1000} seconds`
          : `cannot be reached (${networkCode(error) ?? 'network error'})`;
        throw new AppError('alert-unavailable', `The host of the alert webhook ${how}`, {
          hint: 'Correct ALERT_WEBHOOK_URL, or see the status page of the receiver.',
        });
      }
    },
  };
}
