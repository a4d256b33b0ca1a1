import { AppError } from '../../errors.js';
import type { QueueMessage } from '../../ports/queue.js';
import type { EvaluationContext } from '../guard/parts.js';
import { changeState, type Alert } from '../state.js';
import { keyOf } from './condition.js';
import { evaluateAndNotify } from '../evaluate-and-notify.js';

/** Later than the next hourly turn of the guard, which tells again and publishes another one if the store is still away. */
const DELAY_SECONDS = 65 * 60;

/** An alert that was told and not written down. */
type ToldAlert = Pick<Alert, 'code' | 'subject'>;

/** How many alerts a message names. */
const MOST = 50;

/**
 * What carries over the queue what was told while the store was away: no object can. `at`: when, in milliseconds. The queue
 * takes the messages of a minute for one.
 */
export function storeAwayMessage(at: number, alerts: readonly ToldAlert[]): QueueMessage {
  const storeAway = new Date(at).toISOString();
  const told = alerts.slice(0, MOST).map(({ code, subject }) => ({ code, subject }));
  return {
    body: JSON.stringify({ storeAway, told }),
    deduplicationId: `store-away-${storeAway.slice(0, 16).replace(/\D/g, '')}`,
    delaySeconds: DELAY_SECONDS,
    flow: null,
  };
}

/**
 * Opens what was told, so that its end is told: that of the store now, that of the others by the guard. Once for all
 * messages of an outage. Throws `store-unavailable` while it is not, so that
 * the queue brings the message again.
 */
export async function notifyStoreBack(
  judging: EvaluationContext,
  storeAway: string,
  told: readonly ToldAlert[],
): Promise<void> {
  const at = new Date(judging.ports.clock.now()).toISOString();
  const alertOf = ({ code, subject }: ToldAlert): Alert => ({
    ...{
      code,
      subject,
      message: 'It was told while the store could not be reached',
      hint: 'The guard evaluates it again.',
    },
    ...{ since: storeAway, lastSentAt: storeAway, resolvedAt: null, claim: null },
  });
  const isTold = (backAt: string | null): boolean => backAt !== null && Date.parse(storeAway) <= Date.parse(backAt);
  try {
    await changeState(judging.ports.store, judging.ports.own, (state) => {
      if (isTold(state.storeBackAt)) return state;
      const known = new Set(state.alerts.map(keyOf));
      const added = told.filter((each) => !known.has(keyOf(each))).map(alertOf);
      return { ...state, storeBackAt: at, alerts: [...state.alerts, ...added] };
    });
  } catch (cause) {
    throw new AppError('store-unavailable', 'The store is still away', {
      hint: 'Nothing to do here: the queue asks again. `npx soulcaster-backup doctor --env-file .env` says what is wrong with the store.',
      transient: true,
      cause,
    });
  }
  await evaluateAndNotify(judging);
}
