import type { Alert, DeliveryState, GuardState } from '../state.js';
import { runbookOf } from './condition.js';

/** An open alert, as list, status and page show it. */
export type AlertFigures = Pick<Alert, 'code' | 'subject' | 'message' | 'hint' | 'since' | 'lastSentAt'> & {
  readonly runbook: string;
};

/** How the alerts reach people. */
export interface DeliveryFigures extends DeliveryState {
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

export function deliveryFigures({ alerts, delivery }: GuardState): DeliveryFigures {
  const untold = alerts.filter(({ lastSentAt, resolvedAt }) => lastSentAt === null || resolvedAt !== null);
  return { ...delivery, undelivered: untold.map(({ code, subject }) => `${code} ${subject}`) };
}
