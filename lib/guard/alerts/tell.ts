import { randomUUID } from 'node:crypto';
import { toAppError } from '../../errors.js';
import type { AlertNotice } from '../../ports/alerter.js';
import type { Ports } from '../../ports/index.js';
import { changeState, type Alert, type GuardState } from '../state.js';
import type { Condition, Finding } from './condition.js';
import { afterLook, claimDue, noticesOf, settle, withoutResolved } from './ledger.js';
import { alertText } from './text.js';

export type TellPorts = Pick<Ports, 'alerter' | 'clock' | 'log' | 'store'>;

export interface Told {
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
export async function tell(
  ports: TellPorts,
  finding: Finding,
  change: (state: GuardState) => GuardState = (state) => state,
): Promise<Told> {
  const by = randomUUID();
  try {
    const state = await changeState(ports.store, (before) => {
      const after = change(before);
      const alerts = take(ports, afterLook(after.alerts, finding, ports.clock.now()), by);
      return { ...after, alerts };
    });
    const notices = noticesOf(state.alerts, by);
    const sent = await send(ports, notices);
    if (notices.length > 0) await putDown(ports, by, sent);
    return { alerts: withoutResolved(state.alerts), notices: sent ? notices : [], delivered: sent };
  } catch (error) {
    return tellWithoutState(ports, finding.conditions, error);
  }
}

function take({ alerter, clock }: TellPorts, alerts: readonly Alert[], by: string): Alert[] {
  return alerter.configured ? claimDue(alerts, by, clock.now()) : withoutResolved(alerts);
}

async function send({ alerter, log }: TellPorts, notices: readonly AlertNotice[]): Promise<boolean> {
  if (notices.length === 0) return true;
  try {
    await alerter.send(alertText(notices), notices);
    log.info('alerts-sent', { alerts: notices.length });
    return true;
  } catch (cause) {
    const { code, message } = toAppError(cause);
    log.error('alerts-not-sent', { alerts: notices.length, code, message });
    return false;
  }
}

/** What was told and could not be put down is told again: twice is better than never. */
async function putDown({ clock, log, store }: TellPorts, by: string, sent: boolean): Promise<void> {
  try {
    await changeState(store, (state) => ({ ...state, alerts: settle(state.alerts, by, sent, clock.now()) }));
  } catch (error) {
    log.warn('alerts-not-put-down', { code: toAppError(error).code });
  }
}

/** Without the store nobody knows what was told before. Then everything is told, and each time. */
async function tellWithoutState(ports: TellPorts, conditions: readonly Condition[], error: unknown): Promise<Told> {
  const { code, message, hint } = toAppError(error);
  ports.log.error('guard-state-unavailable', { code, message });
  const since = new Date(ports.clock.now()).toISOString();
  const store: Condition = { code: 'store-unavailable', subject: 'store', message, hint };
  const open = [...conditions.filter((condition) => condition.code !== store.code), store];
  const notices = open.map((condition) => ({ ...condition, event: 'opened' as const, since }));
  if (ports.alerter.configured) await send(ports, notices);
  const alerts = open.map((each): Alert => ({ ...each, since, lastSentAt: null, resolvedAt: null, claim: null }));
  return { alerts, notices, delivered: false };
}
