import type { Alert, DeliveryState, GuardState } from '../state.js';
import { runbookOf } from './condition.js';
import type { AlertNotice } from '../../ports/alerter.js';

/** An open alert, as list, status and page show it. */
export type AlertFigures = Pick<Alert, 'code' | 'subject' | 'message' | 'hint' | 'since' | 'lastSentAt'> & {
  readonly runbook: string;
};

/** How the alerts reach people. */
export interface DeliveryFigures extends Pick<DeliveryState, 'lastFailure' | 'lastSentAt'> {
  /** Alerts that are due to be told and were not, or of which that is not known, as `code subject`. */
  readonly undelivered: readonly string[];
}

export function openAlerts({ alerts }: GuardState): AlertFigures[] {
  return alerts
    .filter(({ resolvedAt }) => resolvedAt === null)
    .map(({ code, subject, message, hint, since, lastSentAt }) => {
      return { code, subject, message, hint, since, lastSentAt, runbook: runbookOf(code) };
    });
}

/** What is known of the channel at this address: what went to another one says nothing of it. */
export function deliveryTo(delivery: DeliveryState, address: string | null): DeliveryState {
  if (delivery.to === null || address === null || delivery.to === address) return delivery;
  return { to: address, lastSentAt: null, lastFailure: null };
}

/** `address`: of the channel that is configured. */
export function deliveryFigures({ alerts, delivery: last }: GuardState, address: string | null): DeliveryFigures {
  const { lastFailure, lastSentAt } = deliveryTo(last, address);
  const untold = alerts.filter(({ lastSentAt, resolvedAt }) => lastSentAt === null || resolvedAt !== null);
  return { lastSentAt, lastFailure, undelivered: untold.map(({ code, subject }) => `${code} ${subject}`) };
}

/** This many alerts a message names; the text of a Slack message is cut off at 40,000 characters. */
const MOST = 30;
const LONGEST = 1_000;

const WORDS: Readonly<Record<AlertNotice['event'], string>> = {
  opened: 'ALERT',
  reminder: 'STILL OPEN',
  recovered: 'RECOVERED',
  test: 'TEST',
};

/** A message for people: what is open first, then what still is, then what is over. */
export function alertText(notices: readonly AlertNotice[]): string {
  const order = Object.keys(WORDS);
  const sorted = [...notices].sort((a, b) => order.indexOf(a.event) - order.indexOf(b.event));
  const lines = sorted.slice(0, MOST).map(line);
  const rest = sorted.length > MOST ? [`and ${sorted.length - MOST} more: see the status`] : [];
  return ['soulcaster-backup', ...lines, ...rest].join('\n');
}

function line({ acknowledged, event, code, subject, message, hint, runbook, since }: AlertNotice): string {
  if (acknowledged !== undefined) {
    return `ACKNOWLEDGED ${code} (${subject}): ${acknowledged.slice(0, LONGEST)}. It is not over, and was open since ${since}.`;
  }
  const head = `${WORDS[event]} ${code} (${subject})`;
  if (event === 'recovered') return `${head}: it was open since ${since}.`;
  return `${head}: ${message.slice(0, LONGEST)}\n  -> ${hint.slice(0, LONGEST)}${event === 'reminder' ? ` Open since ${since}.` : ''}\n  -> ${runbook}`;
}
