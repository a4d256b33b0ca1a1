import type { Alerter } from '../ports/alerter.js';
import type { Clock } from '../ports/clock.js';
import { call } from './alerting/call.js';
import { withRetry, type RetryPolicy } from './retry.js';

export interface AlertWebhookOptions {
  /** `ALERT_WEBHOOK_URL`; null when alerts go nowhere. */
  readonly url: string | null;
  readonly clock: Clock;
  /** Default: three tries within seconds. The next guard tries again. */
  readonly retry?: RetryPolicy;
}

const RETRY: RetryPolicy = { attempts: 3, baseMs: 500, capMs: 5_000 };

/**
 * Alerts as one JSON POST: `text`, as Slack's incoming webhooks and what imitates them take it, and beside it `alerts`
 * with the same as data, for receivers of one's own (Slack documentation, "Sending messages using incoming webhooks":
 * `&`, `<` and `>` are escaped in a text).
 */
export function alertWebhook({ url, clock, retry = RETRY }: AlertWebhookOptions): Alerter {
  return {
    configured: url !== null,
    async send(text, alerts) {
      if (url === null) return;
      const body = JSON.stringify({ text: escaped(text), alerts });
      const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
      await withRetry(clock, () => call('The alert webhook', 'ALERT_WEBHOOK_URL', url, init), retry);
    },
  };
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
