import type { AlertNotice } from '../../ports/alerter.js';
import { AHEAD_MS } from '../objectives.js';
import type { Alert } from '../state.js';
import { keyOf, type Finding } from './condition.js';

/** An alert that lasts is told of again so long after the last time: daily, though a guard is up to an hour late. */
const REMIND_AFTER_MS = 22 * 3_600_000;
/** So long the one who is about to tell of an alert has for it; then another may. */
export const CLAIM_MS = 2 * 60_000;

/** The alerts after a look: new ones open, those that last are kept, those that were looked for in vain are over. */
export function afterLook(alerts: readonly Alert[], { conditions, judged }: Finding, now: number): Alert[] {
  const at = new Date(now).toISOString();
  const found = new Map(conditions.map((condition) => [keyOf(condition), condition]));
  const kept = alerts.map((alert): Alert => {
    const condition = found.get(keyOf(alert));
    found.delete(keyOf(alert));
    if (condition !== undefined) return { ...alert, ...condition, resolvedAt: null };
    return judged.has(alert.code) ? { ...alert, resolvedAt: alert.resolvedAt ?? at } : alert;
  });
  const opened = [...found.values()].map((condition): Alert => ({
    ...condition,
    since: at,
    lastSentAt: null,
    resolvedAt: null,
    claim: null,
  }));
  return [...kept, ...opened];
}

/** What is to be told of an alert now; null for nothing, or when somebody else is at it. */
export function dueEvent({ claim, lastSentAt, resolvedAt }: Alert, now: number): AlertNotice['event'] | null {
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
    return event === null ? alert : { ...alert, claim: { by, event, until } };
  });
}

/** The notices of what `by` took on. */
export function noticesOf(alerts: readonly Alert[], by: string): AlertNotice[] {
  return alerts.flatMap(({ claim, code, subject, message, hint, since }) =>
    claim?.by === by ? [{ event: claim.event, code, subject, message, hint, since }] : [],
  );
}

/** Puts down what `by` took on: as told, or as still to be told. An alert that was told to be over goes. */
export function settle(alerts: readonly Alert[], by: string, told: boolean, now: number): Alert[] {
  return alerts.flatMap((alert): Alert[] => {
    if (alert.claim?.by !== by) return [alert];
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
