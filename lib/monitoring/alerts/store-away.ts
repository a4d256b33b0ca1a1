import { AppError } from '../../errors.js';
import type { QueueMessage } from '../../ports/queue.js';
import { evaluateAndNotify, type EvaluationContext } from '../evaluate.js';
import { type Alert, changeState } from '../state.js';
import { keyOf } from './condition.js';

/** Later than the guard's next hourly turn, which sends again and publishes another message if the outage lasts. */
const DELAY_SECONDS = 65 * 60;

/** An alert that was sent but not recorded. */
type SentAlert = Pick<Alert, 'code' | 'subject'>;

/** Number of alerts that a message names. */
const MAX_NAMED = 50;

/**
 * Queue message with the alerts sent during an outage of the store, which no object can keep. `at`: when they were sent, in
 * milliseconds. The queue deduplicates the messages of one minute.
 */
export function storeAwayMessage(at: number, alerts: readonly SentAlert[]): QueueMessage {
  const storeAway = new Date(at).toISOString();
  const sent = alerts.slice(0, MAX_NAMED).map(({ code, subject }) => ({ code, subject }));
  return {
    body: JSON.stringify({ storeAway, told: sent }),
    deduplicationId: `store-away-${storeAway.slice(0, 16).replace(/\D/g, '')}`,
    delaySeconds: DELAY_SECONDS,
    flow: null,
  };
}

/**
 * Records the alerts that were sent during an outage, so that their recovery is sent: the store's now, the others' by the
 * guard. Does so once for all messages of an outage. Throws `store-unavailable` while the outage lasts, so that the queue
 * delivers the message again.
 */
export async function notifyStoreBack(
  context: EvaluationContext,
  storeAway: string,
  told: readonly SentAlert[],
): Promise<void> {
  const at = new Date(context.ports.clock.now()).toISOString();
  const alertOf = ({ code, subject }: SentAlert): Alert => ({
    code,
    subject,
    message: 'This alert was sent while the store could not be reached',
    hint: 'The guard will evaluate it again.',
    since: storeAway,
    lastSentAt: storeAway,
    resolvedAt: null,
    claim: null,
  });
  const isRecorded = (backAt: string | null): boolean => backAt !== null && Date.parse(storeAway) <= Date.parse(backAt);
  try {
    await changeState(context.ports.store, context.ports.own, (state) => {
      if (isRecorded(state.storeBackAt)) return state;
      const known = new Set(state.alerts.map(keyOf));
      const added = told.filter((each) => !known.has(keyOf(each))).map(alertOf);
      return { ...state, storeBackAt: at, alerts: [...state.alerts, ...added] };
    });
  } catch (cause) {
    throw new AppError('store-unavailable', 'The store still cannot be reached', {
      hint: 'Nothing to do here: the queue will try again. `npx soulcaster-backup doctor --env-file .env` shows what is wrong with the store.',
      transient: true,
      cause,
    });
  }
  await evaluateAndNotify(context);
}
