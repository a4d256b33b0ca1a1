import type { Alert, DeliveryState, GuardState } from '../state.js';
import { runbookOf } from './condition.js';
import type { AlertNotice } from '../../ports/alerter.js';

/** An open alert, as list, status and page show it. */
export type AlertFigures = Pick<Alert, 'code' | 'subject' | 'message' | 'hint' | 'since' | 'lastSentAt'> & {
  readonly runbook: string;
};

/** Outcome of the last alert messages. */
export interface DeliveryFigures extends Pick<DeliveryState, 'lastFailure' | 'lastSentAt'> {
  /** Alerts whose message is due but not known to be delivered, as `code subject`. */
  readonly undelivered: readonly string[];
}

export function openAlerts({ alerts }: GuardState): AlertFigures[] {
  return alerts
    .filter(({ resolvedAt }) => resolvedAt === null)
    .map(({ code, subject, message, hint, since, lastSentAt }) => {
      return { code, subject, message, hint, since, lastSentAt, runbook: runbookOf(code) };
    });
}

/** The delivery state of this address; messages sent to another address say nothing about it. */
export function deliveryTo(delivery: DeliveryState, address: string | null): DeliveryState {
  if (delivery.to === null || address === null || delivery.to === address) return delivery;
  return { to: address, lastSentAt: null, lastFailure: null };
}

/** `address`: the address of the configured channel. */
export function deliveryFigures({ alerts, delivery: last }: GuardState, address: string | null): DeliveryFigures {
  const { lastFailure, lastSentAt } = deliveryTo(last, address);
  const undelivered = alerts.filter(({ lastSentAt, resolvedAt }) => lastSentAt === null || resolvedAt !== null);
  return { lastSentAt, lastFailure, undelivered: undelivered.map(({ code, subject }) => `${code} ${subject}`) };
}

/** Limits of a message: Slack cuts the text off at 40,000 characters. */
const MAX_ALERTS = 30;
const MAX_TEXT = 1_000;

const WORDS: Readonly<Record<AlertNotice['event'], string>> = {
  opened: 'ALERT',
  reminder: 'STILL OPEN',
  recovered: 'RECOVERED',
  test: 'TEST',
};

/** The text of a message: new alerts first, then reminders, then resolved alerts. */
export function alertText(notices: readonly AlertNotice[]): string {
  const order = Object.keys(WORDS);
  const sorted = [...notices].sort((a, b) => order.indexOf(a.event) - order.indexOf(b.event));
  const lines = sorted.slice(0, MAX_ALERTS).map(line);
  const rest = sorted.length > MAX_ALERTS ? [`and ${sorted.length - MAX_ALERTS} more: see the status`] : [];
  return ['soulcaster-backup', ...lines, ...rest].join('\n');
}

function line({ acknowledged, event, code, subject, message, hint, runbook, since }: AlertNotice): string {
  if (acknowledged !== undefined) {
    return `ACKNOWLEDGED ${code} (${subject}): ${acknowledged.slice(0, MAX_TEXT)}. It is not over, and was open since ${since}.`;
  }
  const head = `${WORDS[event]} ${code} (${subject})`;
  if (event === 'recovered') return `${head}: it was open since ${since}.`;
  return `${head}: ${message.slice(0, MAX_TEXT)}\n  -> ${hint.slice(0, MAX_TEXT)}${event === 'reminder' ? ` Open since ${since}.` : ''}\n  -> ${runbook}`;
}
