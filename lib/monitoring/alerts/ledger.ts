import type { AlertNotice } from '../../ports/alerter.js';
import { AHEAD_MS } from '../objectives.js';
import type { Alert } from '../state.js';
import { digestOf, isOverIn, keyOf, runbookOf, type Condition, type Finding } from './condition.js';
import { namesOneEvent } from './sources.js';

/** An alert that lasts is told of again so long after the last time: daily, though a guard is up to an hour late. */
const REMIND_AFTER_MS = 22 * 3_600_000;
/**
 * So long the one who is about to tell of an alert has for it; then another may. Longer than any receiver takes: a message of
 * which nobody wrote down what became of it may have arrived, and a copy is worse than a late one.
 */
export const CLAIM_MS = 30 * 60_000;

/** The alerts after a look: new ones open, those that last are kept, those that were looked for in vain are over. */
export function afterEvaluation(alerts: readonly Alert[], finding: Finding, now: number): Alert[] {
  const { conditions } = finding;
  const at = new Date(now).toISOString();
  const found = new Map(conditions.map((condition) => [keyOf(condition), condition]));
  const kept = alerts.map((alert): Alert => {
    const condition = found.get(keyOf(alert));
    found.delete(keyOf(alert));
    if (condition !== undefined) return { ...alert, ...wordsOf(condition), reason: undefined, resolvedAt: null };
    return isOverIn(finding, alert) ? { ...alert, resolvedAt: alert.resolvedAt ?? at } : alert;
  });
  const opened = [...found.values()].map((condition): Alert => ({
    code: condition.code,
    subject: condition.subject,
    ...wordsOf(condition),
    since: at,
    lastSentAt: null,
    resolvedAt: null,
    claim: null,
  }));
  return [...kept, ...opened];
}

function wordsOf({ code, hint, message }: Condition): Pick<Alert, 'digest' | 'hint' | 'message'> {
  return { message, hint, ...(namesOneEvent({ code }) ? { digest: digestOf(message) } : {}) };
}

/** Of an alert; a test is of none. */
type DueEvent = Exclude<AlertNotice['event'], 'test'>;

/** What is to be told of an alert now; null for nothing, or when somebody else is at it. */
function dueEvent({ claim, lastSentAt, resolvedAt }: Alert, now: number): DueEvent | null {
  if (claim !== null && isLive(Date.parse(claim.until), now)) return null;
  if (resolvedAt !== null) return 'recovered';
  if (lastSentAt === null) return 'opened';
  const sentAt = Date.parse(lastSentAt);
  // Dated in the future: a clock was put back, and must not keep the alert quiet until it comes by again.
  return now - sentAt >= REMIND_AFTER_MS || sentAt > now + AHEAD_MS ? 'reminder' : null;
}

/** A claim from the future beyond its own length was made by another clock. */
function isLive(until: number, now: number): boolean {
  return until > now && until <= now + CLAIM_MS + AHEAD_MS;
}

/** Takes on whatever is due, in the name of `by`. */
export function claimDue(alerts: readonly Alert[], by: string, now: number): Alert[] {
  const until = new Date(now + CLAIM_MS).toISOString();
  return alerts.map((alert) => {
    const event = dueEvent(alert, now);
    if (event === null) return alert;
    // The same message as one that had an unknown end: a receiver that knows keys drops the second.
    const key = alert.claim?.event === event && alert.claim.key !== undefined ? alert.claim.key : by;
    return { ...alert, claim: { by, event, until, key } };
  });
}

/** A message: what goes out together, under one key. */
export interface Message {
  readonly key: string;
  readonly notices: readonly AlertNotice[];
}

/** The messages of what `by` took on: one of what is new, and one each of what may have been sent before. */
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
 * Puts down what `by` took on: as told, or as still to be told. An alert that was told to be over goes. `key`: of this message
 * alone.
 */
export function withDelivery(alerts: readonly Alert[], by: string, told: boolean, now: number, key?: string): Alert[] {
  return alerts.flatMap((alert): Alert[] => {
    if (alert.claim?.by !== by) return [alert];
    if (key !== undefined && (alert.claim.key ?? by) !== key) return [alert];
    const free = { ...alert, claim: null };
    if (!told) return [free];
    if (alert.claim.event !== 'recovered') return [{ ...free, lastSentAt: new Date(now).toISOString() }];
    // It came back while it was told to be over: that has to be told as well.
    return alert.resolvedAt === null ? [{ ...free, since: new Date(now).toISOString(), lastSentAt: null }] : [];
  });
}

/** Where nobody can be told, what is over goes without a word. */
export function withoutResolved(alerts: readonly Alert[]): Alert[] {
  return alerts.filter(({ resolvedAt }) => resolvedAt === null);
}
