import { createHash } from 'node:crypto';
import { AppError } from '../errors.js';
import type { Alerter, AlertNotice, Delivery, Reachable } from '../ports/alerter.js';
import type { Clock } from '../ports/clock.js';
import { findObjection, networkCode, readText } from './rest.js';
import { parseRetryAfter, type RetryPolicy, withRetry } from './retry.js';

interface AlertWebhookOptions {
  /** `ALERT_WEBHOOK_URL`; null when alerts are not sent. */
  readonly url: string | null;
  /** `ALERT_FORMAT`; default: detected from the host. */
  readonly format?: AlertFormat;
  readonly clock: Clock;
  /** For messages that certainly did not arrive. Default: three attempts within seconds. The next guard run tries again. */
  readonly retry?: RetryPolicy;
  /** How long to wait for an answer, in milliseconds. Default 35,000: some receivers take 30 seconds. */
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
    // The address is a secret: anyone who knows it can post to it. Only a fingerprint is kept.
    address: url === null ? null : createHash('sha256').update(`alert-webhook ${url}`).digest('hex').slice(0, 16),
    async send(text, alerts, key) {
      if (url === null) return 'delivered';
      const body = JSON.stringify(formatBody(format ?? detectFormat(url), text, alerts));
      const headers = { 'content-type': 'application/json', 'idempotency-key': key };
      return withRetry(clock, () => deliver(url, { method: 'POST', headers, body }, timeoutMs), retry);
    },
  };
}

/** Causes of a failed fetch without a connection: the message cannot have arrived. */
const NEVER_CONNECTED =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|EPROTO|CERT_.*|DEPTH_ZERO_.*|SELF_SIGNED_.*|UNABLE_TO_.*|ERR_TLS_.*|ERR_SSL_.*)$/;
/** Statuses of gateways that gave up on the receiver behind them; the receiver may have the message. */
const GATEWAY_TIMEOUTS = new Set([502, 504, 524]);

/**
 * Sends one message with a long timeout. A message that may have arrived is `unknown`, never a failure, so that a slow
 * receiver gets no copies. Throws `alert-unavailable` for a message that certainly did not arrive, transient where a retry
 * may succeed. No error holds the address or fetch's text about it: anyone who knows the address can post to it.
 */
async function deliver(url: string, init: RequestInit, timeoutMs: number): Promise<Delivery> {
  const signal = AbortSignal.timeout(timeoutMs);
  let response: Response;
  try {
    response = await fetch(url, { ...init, redirect: 'manual', signal });
  } catch (error) {
    const code = networkCode(error);
    // Without a network code no request was sent: fetch itself refused the address.
    if (signal.aborted || (code !== null && !NEVER_CONNECTED.test(code))) return 'unknown';
    throw alertError(`cannot be reached (${code ?? 'refused address'})`, 'Check the host in ALERT_WEBHOOK_URL.', true);
  }
  const { status } = response;
  if (response.ok) {
    const objection = findObjection(await readShortText(response));
    if (objection === null) return 'delivered';
    throw alertError(`${objection.how} (HTTP ${status})`, OBJECTION_HINT, objection.isTransient);
  }
  await response.body?.cancel();
  if (GATEWAY_TIMEOUTS.has(status)) return 'unknown';
  const isTransient = status >= 500 || status === 429 || status === 408;
  const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'), Date.now());
  throw alertError(`answered with status ${status}`, hintForStatus(status), isTransient, retryAfterMs);
}

const OBJECTION_HINT =
  'Copy the address of the webhook from the receiver again and set ALERT_WEBHOOK_URL to it; set ALERT_FORMAT if the receiver expects another message format.';
/** A receiver's text is short and arrives with its status. */
const MAX_TEXT_BYTES = 4_096;
const TEXT_TIMEOUT_MS = 3_000;

/** The text of the answer; empty when it does not end in time: then the status alone decides. */
async function readShortText(response: Response): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, TEXT_TIMEOUT_MS, '');
  });
  const text = readText(response, MAX_TEXT_BYTES).catch(() => '');
  return Promise.race([text, late]).finally(() => {
    clearTimeout(timer);
    void response.body?.cancel().catch(() => undefined);
  });
}

function hintForStatus(status: number): string {
  if (status === 401 || status === 403 || status === 404 || status === 410) {
    return 'The webhook was removed or its secret is wrong: create a new one at the receiver and set ALERT_WEBHOOK_URL to it.';
  }
  if (status === 400 || status === 415 || status === 422) {
    return 'The receiver expects another message format: set ALERT_FORMAT to slack, discord, teams, google-chat or generic.';
  }
  if (status >= 300 && status < 400) {
    return 'The address redirects, and alerts do not follow redirects: set ALERT_WEBHOOK_URL to the final address.';
  }
  return 'Check the status page of the receiver.';
}

function alertError(how: string, hint: string, transient: boolean, retryAfterMs?: number): AppError {
  return new AppError('alert-unavailable', `The alert webhook ${how}`, {
    hint: `${hint} Then: npx soulcaster-backup alerts test --env-file .env`,
    transient,
    retryAfterMs,
  });
}

const REACH_TIMEOUT_MS = 10_000;

/**
 * Connects to the host of an address and requests its root, never the address itself: a receiver would take such a request
 * for a message or a ping. Any answer is enough.
 */
export function alertHostProbe(url: string, timeoutMs = REACH_TIMEOUT_MS): Reachable {
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
          hint: 'Correct ALERT_WEBHOOK_URL, or check the status page of the receiver.',
        });
      }
    },
  };
}

export type AlertFormat = 'generic' | 'slack' | 'discord' | 'teams' | 'google-chat';

/** Limits of the vendors: Discord 2,000 characters, Google Chat 4,096, Slack 40,000; a Teams card 28 KB with its frame. */
const MAX_LENGTHS: Readonly<Record<AlertFormat, number>> = {
  generic: 39_000,
  slack: 39_000,
  discord: 2_000,
  teams: 18_000,
  'google-chat': 4_000,
};
const TRUNCATED = '\n... cut; all alerts: `npx soulcaster-backup alerts --env-file .env`';

/** The format of the receiver at this address, detected from its host. */
export function detectFormat(url: string): AlertFormat {
  const { hostname, pathname } = new URL(url);
  const isUnder = (domain: string): boolean => hostname === domain || hostname.endsWith(`.${domain}`);
  if (isUnder('slack.com')) return 'slack';
  if (isUnder('discord.com') || isUnder('discordapp.com')) return pathname.endsWith('/slack') ? 'slack' : 'discord';
  if (isUnder('chat.googleapis.com')) return 'google-chat';
  return ['webhook.office.com', 'logic.azure.com', 'powerplatform.com', 'azure-apihub.net'].some(isUnder)
    ? 'teams'
    : 'generic';
}

/**
 * The body of a message. Slack and compatible receivers want `&`, `<` and `>` escaped; `generic` is the same with the data
 * in `alerts`. Sources: Slack "Sending messages using incoming webhooks", Discord "Execute Webhook", Google Chat "Create
 * messages", Microsoft "Create incoming webhooks with Workflows for Teams" (an Adaptive Card in an attachment).
 */
export function formatBody(format: AlertFormat, text: string, alerts: readonly AlertNotice[]): object {
  const truncated = truncate(text, MAX_LENGTHS[format]);
  switch (format) {
    case 'generic':
      return { text: escapeMarkup(truncated), alerts };
    case 'slack':
      return { text: escapeMarkup(truncated) };
    case 'discord':
      // No mention in a quoted text notifies anyone.
      return { content: truncated, allowed_mentions: { parse: [] } };
    case 'google-chat':
      return { text: truncated };
    case 'teams':
      return toAdaptiveCard(truncated);
  }
}

/** Cuts after a whole line, or within a line that is too long, and says that there is more. */
export function truncate(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const room = text.slice(0, maxLength - TRUNCATED.length);
  const line = room.lastIndexOf('\n');
  const kept = line > maxLength / 2 ? room.slice(0, line) : room;
  // A cut must not leave half of a surrogate pair.
  return kept.replace(/[\ud800-\udbff]$/, '') + TRUNCATED;
}

function toAdaptiveCard(text: string): object {
  const [title = '', ...lines] = text.split('\n');
  const block = (words: string, more: object = {}): object => ({
    type: 'TextBlock',
    text: words.replace(/[\\`*_[\]#<>]/g, '\\$&'),
    wrap: true,
    ...more,
  });
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    body: [block(title, { weight: 'Bolder' }), ...lines.map((line) => block(line, { spacing: 'Small' }))],
  };
  const attachment = { contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content };
  return { type: 'message', attachments: [attachment] };
}

function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
