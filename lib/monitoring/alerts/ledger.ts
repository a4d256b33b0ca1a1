import { AHEAD_MS } from '../../snapshot/order.js';
import type { AlertNotice } from '../../ports/alerter.js';

import type { Alert } from '../state.js';
import { type Condition, digestOf, type Finding, isResolvedIn, keyOf, runbookOf } from './condition.js';
import { namesOneEvent } from './sources.js';

/** A reminder is sent this long after the last message: daily, even if the guard is up to an hour late. */
const REMIND_AFTER_MS = 22 * 3_600_000;
/**
 * How long a process may take to send an alert before another one may. Longer than any receiver takes: a message without a
 * recorded outcome may have arrived, and a duplicate is worse than a late message.
 */
const CLAIM_MS = 30 * 60_000;

/** The alerts after an evaluation: new conditions open alerts, alerts whose condition is gone are resolved. */
export function applyEvaluation(alerts: readonly Alert[], finding: Finding, now: number): Alert[] {
  const { conditions } = finding;
  const at = new Date(now).toISOString();
  const found = new Map(conditions.map((condition) => [keyOf(condition), condition]));
  const kept = alerts.map((alert): Alert => {
    const condition = found.get(keyOf(alert));
    found.delete(keyOf(alert));
    if (condition !== undefined) return { ...alert, ...textOf(condition), reason: undefined, resolvedAt: null };
    return isResolvedIn(finding, alert) ? { ...alert, resolvedAt: alert.resolvedAt ?? at } : alert;
  });
  const opened = [...found.values()].map((condition): Alert => ({
    code: condition.code,
    subject: condition.subject,
    ...textOf(condition),
    since: at,
    lastSentAt: null,
    resolvedAt: null,
    claim: null,
  }));
  return [...kept, ...opened];
}

function textOf({ code, hint, message }: Condition): Pick<Alert, 'digest' | 'hint' | 'message'> {
  return { message, hint, ...(namesOneEvent({ code }) ? { digest: digestOf(message) } : {}) };
}

/** A test message belongs to no alert. */
type DueEvent = Exclude<AlertNotice['event'], 'test'>;

/** The message that is due for an alert; null if none is, or if another process is sending it. */
function dueEvent({ claim, lastSentAt, resolvedAt }: Alert, now: number): DueEvent | null {
  if (claim !== null && isClaimLive(Date.parse(claim.until), now)) return null;
  if (resolvedAt !== null) return 'recovered';
  if (lastSentAt === null) return 'opened';
  const sentAt = Date.parse(lastSentAt);
  // A date in the future: a clock was set back, which must not silence the alert until then.
  return now - sentAt >= REMIND_AFTER_MS || sentAt > now + AHEAD_MS ? 'reminder' : null;
}

/** A claim that ends later than its own duration allows was made by a wrong clock. */
function isClaimLive(until: number, now: number): boolean {
  return until > now && until <= now + CLAIM_MS + AHEAD_MS;
}

/** Claims every message that is due for the process `by`. */
export function claimDue(alerts: readonly Alert[], by: string, now: number): Alert[] {
  const until = new Date(now + CLAIM_MS).toISOString();
  return alerts.map((alert) => {
    const event = dueEvent(alert, now);
    if (event === null) return alert;
    // A message with an unknown outcome keeps its key: a receiver that checks keys drops the duplicate.
    const key = alert.claim?.event === event && alert.claim.key !== undefined ? alert.claim.key : by;
    return { ...alert, claim: { by, event, until, key } };
  });
}

/** Notices that are sent together under one idempotency key. */
export interface Message {
  readonly key: string;
  readonly notices: readonly AlertNotice[];
}

/** The messages that `by` claimed: one for all new notices, and one for each key that may have been sent before. */
export function messagesOf(alerts: readonly Alert[], by: string): Message[] {
  const messages = new Map<string, AlertNotice[]>();
  for (const { claim, code, subject, message, hint, reason, since } of alerts) {
    if (claim?.by !== by) continue;
    const key = claim.key ?? by;
    const notices = messages.get(key) ?? [];
    const acknowledged = claim.event === 'recovered' && reason !== undefined ? { acknowledged: reason } : {};
    notices.push({
      event: claim.event,
      code,
      subject,
      message,
      hint,
      since,
      runbook: runbookOf(code),
      ...acknowledged,
    });
    messages.set(key, notices);
  }
  return [...messages].map(([key, notices]) => ({ key, notices }));
}

/**
 * Records whether the messages that `by` claimed were delivered, or only the message with `key`. An alert whose recovery was
 * delivered is removed.
 */
export function recordDelivery(
  alerts: readonly Alert[],
  by: string,
  isDelivered: boolean,
  now: number,
  key?: string,
): Alert[] {
  return alerts.flatMap((alert): Alert[] => {
    if (alert.claim?.by !== by) return [alert];
    if (key !== undefined && (alert.claim.key ?? by) !== key) return [alert];
    const released = { ...alert, claim: null };
    if (!isDelivered) return [released];
    if (alert.claim.event !== 'recovered') return [{ ...released, lastSentAt: new Date(now).toISOString() }];
    // The condition returned while its recovery was sent: it has to be sent as a new alert.
    return alert.resolvedAt === null ? [{ ...released, since: new Date(now).toISOString(), lastSentAt: null }] : [];
  });
}

/** Without an alert channel, resolved alerts are removed without a message. */
export function withoutResolved(alerts: readonly Alert[]): Alert[] {
  return alerts.filter(({ resolvedAt }) => resolvedAt === null);
}
