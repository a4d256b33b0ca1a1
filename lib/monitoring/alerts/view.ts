import type { Alert, DeliveryState, GuardState } from '../state.js';
import { runbookOf } from './condition.js';

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
