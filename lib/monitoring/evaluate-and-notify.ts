import { toAppError } from '../errors.js';
import { traitsOf } from '../run-kinds.js';
import type { RunRecord } from '../runs/model.js';
import { notify } from './alerts/notify.js';
import type { EvaluationContext } from './guard/parts.js';
import { by } from './guard/time.js';
import type { AlertNotice } from '../ports/alerter.js';
import { pulse } from './heartbeat.js';
import { evaluate } from './evaluate.js';

/** A function that has done its work has about so long before it is killed, in milliseconds. */
const LIMIT_MS = 20_000;

/** What an evaluation found and sent. */
export interface EvaluatedAndNotified {
  /** Whether the recovery point objective is met; false when that could not be found out. */
  readonly pointMet: boolean;
  readonly sent: readonly AlertNotice[];
}

/**
 * Evaluates the alerts and sends what is due: at the start of a night's backup and of the guard's turn, before they heal
 * what they find, and when a run has ended. Throws nothing, and gives up after 20 seconds: what was not sent is sent by
 * the next guard.
 */
export async function evaluateAndNotify(context: EvaluationContext): Promise<EvaluatedAndNotified> {
  const { clock, log } = context.ports;
  // A receiver that takes the whole time must not make the watchdog hear that the objective is missed.
  let pointMet = false;
  try {
    return await by(clock, clock.now() + LIMIT_MS, async () => {
      const evaluation = await evaluate(context);
      pointMet = evaluation.pointMet;
      return { pointMet, sent: (await notify(context.ports, evaluation.finding, evaluation.answer)).notices };
    });
  } catch (error) {
    log.warn('evaluation-cut-off', { code: toAppError(error).code });
    return { pointMet, sent: [] };
  }
}

/** What follows the end of a run: an evaluation and, after a snapshot, a ping that says whether the objective is met. */
export async function afterRun(context: EvaluationContext, run: RunRecord): Promise<void> {
  if (traitsOf(run.kind).evaluated !== true) return;
  const { pointMet } = await evaluateAndNotify(context);
  if (run.kind !== 'snapshot') return;
  await pulse(context.ports, run.state === 'succeeded' && pointMet ? 'success' : 'fail');
}
