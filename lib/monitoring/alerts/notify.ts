import { createHash, randomUUID } from 'node:crypto';
import { toAppError } from '../../errors.js';
import type { AlertNotice } from '../../ports/alerter.js';
import type { Ports } from '../../ports/index.js';
import { type Alert, changeState, type GuardState } from '../state.js';
import { applyAcknowledgements } from './acknowledge.js';
import { type Condition, type Finding, keyOf, runbookOf } from './condition.js';
import { applyEvaluation, claimDue, type Message, messagesOf, recordDelivery, withoutResolved } from './ledger.js';
import { alertText, deliveryTo } from './messages.js';

export interface NotifyPorts extends Pick<Ports, 'alerter' | 'clock' | 'log' | 'store'> {
  /** The source of the protected database; null if none is configured. */
  readonly own: string | null;
  /** Keeps alerts sent during an outage of the store, so that their recovery is sent: see `store-away.ts`. Absent without a queue. */
  readonly storeAway?: (at: number, sent: readonly Condition[]) => Promise<void>;
}

export interface Notified {
  /** Open alerts. */
  readonly alerts: readonly Alert[];
  /** Notices that were sent. */
  readonly notices: readonly AlertNotice[];
  /** Whether every notice that was due was delivered and recorded. */
  readonly delivered: boolean;
}

/**
 * Records the finding, with any other `change` of the state, and sends the messages that are due: one when an alert opens,
 * one daily while it lasts, and one when it is resolved. In three steps: a swap claims what is due, the message is sent, and a
 * second swap records the delivery. A process that loses the swap sends nothing; after a crash or a failed webhook the next
 * evaluation sends the message. Never throws.
 */
export async function notify(
  ports: NotifyPorts,
  finding: Finding,
  change: (state: GuardState) => GuardState = (state) => state,
): Promise<Notified> {
  const by = randomUUID();
  try {
    const state = await changeState(ports.store, ports.own, (before) => {
      const after = change(before);
      const now = ports.clock.now();
      const { acknowledged, finding: left } = applyAcknowledgements(after, finding, now);
      return { ...after, acknowledged, alerts: claimAlerts(ports, applyEvaluation(after.alerts, left, now), by) };
    });
    const sent: AlertNotice[] = [];
    const messages = messagesOf(state.alerts, by);
    for (const message of messages) {
      const outcome = await send(ports, message);
      if (outcome.state === 'delivered') sent.push(...message.notices);
      await recordOutcome(ports, by, message.key, outcome);
    }
    const due = messages.flatMap(({ notices }) => notices);
    return { alerts: withoutResolved(state.alerts), notices: sent, delivered: sent.length === due.length };
  } catch (error) {
    return notifyWithoutState(ports, finding.conditions, error);
  }
}

type Outcome =
  | { readonly state: 'delivered' }
  | { readonly state: 'failed' | 'unknown'; readonly code: string; readonly message: string; readonly hint: string };

function claimAlerts({ alerter, clock }: NotifyPorts, alerts: readonly Alert[], by: string): Alert[] {
  return alerter.configured ? claimDue(alerts, by, clock.now()) : withoutResolved(alerts);
}

async function send({ alerter, log }: NotifyPorts, { key, notices }: Message): Promise<Outcome> {
  try {
    if ((await alerter.send(alertText(notices), notices, key)) === 'delivered') {
      log.info('alerts-sent', { alerts: notices.length });
      return { state: 'delivered' };
    }
    log.warn('alerts-unknown', { alerts: notices.length });
    return { state: 'unknown', code: 'alert-unavailable', ...UNKNOWN };
  } catch (cause) {
    const { code, message, hint } = toAppError(cause);
    log.error('alerts-not-sent', { alerts: notices.length, code, message });
    return { state: 'failed', code, message, hint };
  }
}

const UNKNOWN = {
  message: 'The alert webhook accepted the message but did not answer in time: the message may have arrived',
  hint: 'A copy with the same Idempotency-Key is sent after half an hour at the earliest. Find out why the receiver is slow.',
};

/**
 * A delivered message that could not be recorded is sent again after the claim expires. A message with an unknown outcome
 * keeps its claim, so that no copy is sent before.
 */
async function recordOutcome(
  { alerter, clock, log, own, store }: NotifyPorts,
  by: string,
  key: string,
  outcome: Outcome,
): Promise<void> {
  try {
    const now = clock.now();
    const at = new Date(now).toISOString();
    const to = alerter.address;
    await changeState(store, own, (state) => {
      if (outcome.state === 'delivered') {
        const alerts = recordDelivery(state.alerts, by, true, now, key);
        return { ...state, alerts, delivery: { to, lastSentAt: at, lastFailure: null } };
      }
      const { state: end, code, message, hint } = outcome;
      const delivery = {
        ...deliveryTo(state.delivery, to),
        to,
        lastFailure: { at, outcome: end, code, message, hint },
      };
      const alerts = end === 'failed' ? recordDelivery(state.alerts, by, false, now, key) : state.alerts;
      return { ...state, alerts, delivery };
    });
  } catch (error) {
    log.warn('alerts-not-put-down', { code: toAppError(error).code });
  }
}

/** Whether a condition is caused by the outage of the store: its recovery could not be sent, since nothing is recorded. */
function isCausedByStore({ code, subject }: Condition): boolean {
  return code === 'guard-failed' || (code === 'credential-failed' && /^store(-|$)/.test(subject));
}

/** Without the store it is unknown which alerts were sent before, so every evaluation sends all of them. */
async function notifyWithoutState(
  ports: NotifyPorts,
  conditions: readonly Condition[],
  error: unknown,
): Promise<Notified> {
  const { code, message, hint } = toAppError(error);
  ports.log.error('guard-state-unavailable', { code, message });
  const since = new Date(ports.clock.now()).toISOString();
  const store: Condition = { code: 'store-unavailable', subject: 'store', message, hint };
  const open = [
    ...conditions.filter((condition) => condition.code !== store.code && !isCausedByStore(condition)),
    store,
  ];
  const notices = open.map(({ code: of, subject, message: text, hint: advice }): AlertNotice => {
    return { event: 'opened', code: of, subject, message: text, hint: advice, since, runbook: runbookOf(of) };
  });
  // The key stays the same within an hour, so that a receiver that checks keys shows the message once.
  const key = createHash('sha256')
    .update(`${open.map(keyOf).join()} ${since.slice(0, 13)}`)
    .digest('hex')
    .slice(0, 32);
  if (ports.alerter.configured) {
    const sent = await send(ports, { key, notices });
    // No recovery is sent for an alert that was not delivered.
    if (sent.state === 'failed') return { alerts: toAlerts(open, since), notices, delivered: false };
    await ports.storeAway?.(Date.parse(since), open).catch((cause: unknown) => {
      ports.log.warn('store-away-not-noted', { code: toAppError(cause).code });
    });
  }
  return { alerts: toAlerts(open, since), notices, delivered: false };
}

function toAlerts(open: readonly Condition[], since: string): Alert[] {
  return open.map((each): Alert => ({ ...each, since, lastSentAt: null, resolvedAt: null, claim: null }));
}
