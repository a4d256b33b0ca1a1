import { createHash, randomUUID } from 'node:crypto';
import { toAppError } from '../../errors.js';
import type { AlertNotice } from '../../ports/alerter.js';
import type { Ports } from '../../ports/index.js';
import { changeState, type Alert, type GuardState } from '../state.js';
import { acknowledge } from './acknowledge.js';
import { keyOf, runbookOf, type Condition, type Finding } from './condition.js';
import { afterEvaluation, claimDue, messagesOf, withDelivery, withoutResolved, type Message } from './ledger.js';
import { alertText, deliveryTo } from './view.js';

export interface NotifyPorts extends Pick<Ports, 'alerter' | 'clock' | 'log' | 'store'> {
  /** The source of the database that is protected; null where none is configured. */
  readonly own: string | null;
  /** Keeps what was told while the store was away, so that its end is told: see `store-away.ts`. Left out without a queue. */
  readonly storeAway?: (at: number, told: readonly Condition[]) => Promise<void>;
}

export interface Notified {
  /** Those that are open now. */
  readonly alerts: readonly Alert[];
  /** What was sent. */
  readonly notices: readonly AlertNotice[];
  /** Whether everything that was due could be sent and written down. */
  readonly delivered: boolean;
}

/**
 * Writes down what was found, with whatever else `change` does to the state, and tells of what is due: once when an
 * alert opens, daily while it lasts, once when it is over. In three steps: a swap takes on what is due, the message is
 * sent, a second swap puts it down as told. Whoever loses the swap has nothing to tell; what a process that died, or a
 * webhook that failed, had taken on is told by the next look. Throws nothing.
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
      const { acknowledged, finding: left } = acknowledge(after, finding, now);
      return { ...after, acknowledged, alerts: take(ports, afterEvaluation(after.alerts, left, now), by) };
    });
    const sent: AlertNotice[] = [];
    const messages = messagesOf(state.alerts, by);
    for (const message of messages) {
      const outcome = await send(ports, message);
      if (outcome.state === 'delivered') sent.push(...message.notices);
      await putDown(ports, by, message.key, outcome);
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

function take({ alerter, clock }: NotifyPorts, alerts: readonly Alert[], by: string): Alert[] {
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
  message: 'The alert webhook took the message and did not answer in time, so that it may have arrived',
  hint: 'A copy with the same Idempotency-Key follows after half an hour at the earliest. See why the receiver is slow.',
};

/**
 * What was told and could not be put down is told again after a pause. What has an unknown end keeps its claim, so that no
 * copy is sent before that is over.
 */
async function putDown(
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
        const alerts = withDelivery(state.alerts, by, true, now, key);
        return { ...state, alerts, delivery: { to, lastSentAt: at, lastFailure: null } };
      }
      const { state: end, code, message, hint } = outcome;
      const delivery = {
        ...deliveryTo(state.delivery, to),
        to,
        lastFailure: { at, outcome: end, code, message, hint },
      };
      const alerts = end === 'failed' ? withDelivery(state.alerts, by, false, now, key) : state.alerts;
      return { ...state, alerts, delivery };
    });
  } catch (error) {
    log.warn('alerts-not-put-down', { code: toAppError(error).code });
  }
}

/** What goes wrong because the store does not answer: its end could not be told, since nobody writes down that it was. */
function followsFromStore({ code, subject }: Condition): boolean {
  return code === 'guard-failed' || (code === 'credential-failed' && /^store(-|$)/.test(subject));
}

/** Without the store nobody knows what was told before. Then everything is told, and each time. */
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
    ...conditions.filter((condition) => condition.code !== store.code && !followsFromStore(condition)),
    store,
  ];
  const notices = open.map(({ code: of, subject, message: text, hint: advice }): AlertNotice => {
    return { event: 'opened', code: of, subject, message: text, hint: advice, since, runbook: runbookOf(of) };
  });
  // The same within an hour, so that a receiver that knows keys shows it once.
  const key = createHash('sha256')
    .update(`${open.map(keyOf).join()} ${since.slice(0, 13)}`)
    .digest('hex')
    .slice(0, 32);
  if (ports.alerter.configured) {
    const sent = await send(ports, { key, notices });
    // Nobody is to be told of the end of what they were not told of.
    if (sent.state === 'failed') return { alerts: openedBy(open, since), notices, delivered: false };
    await ports.storeAway?.(Date.parse(since), open).catch((cause: unknown) => {
      ports.log.warn('store-away-not-noted', { code: toAppError(cause).code });
    });
  }
  return { alerts: openedBy(open, since), notices, delivered: false };
}

function openedBy(open: readonly Condition[], since: string): Alert[] {
  return open.map((each): Alert => ({ ...each, since, lastSentAt: null, resolvedAt: null, claim: null }));
}
