import { createHash } from 'node:crypto';
import type { Alerter } from '../../ports/alerter.js';
import type { Clock } from '../../ports/clock.js';
import { deliver } from './deliver.js';
import { bodyOf, formatOf, type AlertFormat } from './formats.js';
import { withRetry, type RetryPolicy } from '../retry.js';

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
