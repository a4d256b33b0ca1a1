import { randomUUID } from 'node:crypto';
import { AppError, toAppError } from '../../errors.js';
import type { AlertNotice } from '../../ports/alerter.js';
import type { Ports } from '../../ports/index.js';
import { changeState, type DeliveryState, type GuardState } from '../state.js';

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

/** The delivery state of this address; messages sent to another address say nothing about it. */
export function deliveryTo(delivery: DeliveryState, address: string | null): DeliveryState {
  if (delivery.to === null || address === null || delivery.to === address) return delivery;
  return { to: address, lastSentAt: null, lastFailure: null };
}

export interface TestResult {
  readonly at: string;
  readonly outcome: 'delivered' | 'unknown' | 'failed';
  /** Null if the message arrived. */
  readonly error: { readonly code: string; readonly message: string; readonly hint: string } | null;
  readonly milliseconds: number;
}

type Needs = Pick<Ports, 'alerter' | 'clock' | 'log' | 'store'> & { readonly own: string | null };

/** Sends a test message and records its outcome. Throws `config` if no webhook is set. */
export async function sendTestAlert({ alerter, clock, log, own, store }: Needs): Promise<TestResult> {
  if (!alerter.configured) {
    throw new AppError('config', 'ALERT_WEBHOOK_URL is not set: alerts reach nobody', {
      hint: 'Set ALERT_WEBHOOK_URL to a webhook of Slack, Discord, Teams or Google Chat, or to your own.',
    });
  }
  const from = clock.now();
  const at = new Date(from).toISOString();
  const notice: AlertNotice = {
    event: 'test',
    code: 'test',
    subject: 'alerts',
    message: 'This is a test of the alert channel. Nothing is wrong.',
    hint: 'Nothing needs to be done.',
    since: at,
    runbook: 'docs/operations.md#alerts',
  };
  const toResult = (outcome: TestResult['outcome'], error: TestResult['error']): TestResult => {
    return { at, outcome, error, milliseconds: clock.now() - from };
  };
  const result = await alerter.send(alertText([notice]), [notice], randomUUID()).then(
    (delivery) => toResult(delivery, delivery === 'delivered' ? null : SLOW),
    (thrown: unknown) => {
      const { code, hint, message } = toAppError(thrown);
      return toResult('failed', { code, message, hint });
    },
  );
  const record = (state: GuardState): GuardState => {
    const { error, outcome } = result;
    const lastFailure = error === null || outcome === 'delivered' ? null : { at, outcome, ...error };
    const to = alerter.address;
    const lastSentAt = outcome === 'delivered' ? at : deliveryTo(state.delivery, to).lastSentAt;
    return { ...state, delivery: { to, lastSentAt, lastFailure } };
  };
  await changeState(store, own, record, { keepsUnbelieved: true }).catch((error: unknown) => {
    const { code, hint, message } = toAppError(error);
    log.warn('alert-test-not-noted', { code, message, hint });
  });
  return result;
}

const SLOW = {
  code: 'alert-unavailable',
  message: 'The receiver accepted the message but did not answer in time: the message may have arrived',
  hint: 'Check whether the message is there, and why the receiver is slow.',
};
