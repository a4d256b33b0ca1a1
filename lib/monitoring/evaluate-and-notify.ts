import { toAppError } from '../errors.js';
import { traitsOf } from '../run-kinds.js';
import type { RunRecord } from '../runs/model.js';
import { notify } from './alerts/notify.js';
import type { EvaluationContext } from './guard/parts.js';
import { withDeadline } from './guard/time.js';
import type { AlertNotice } from '../ports/alerter.js';
import { pingWatchdog } from './heartbeat.js';
import { evaluate } from './evaluate.js';

/** About the time a function has left after its work before it is killed. */
const LIMIT_MS = 20_000;

export interface EvaluatedAndNotified {
  /** Whether the recovery point objective is met; false if unknown. */
  readonly pointMet: boolean;
  readonly sent: readonly AlertNotice[];
}

/**
 * Evaluates the alerts and sends those that are due: before a night's backup and before the guard repairs anything, and when
 * a run has ended. Never throws, and gives up after 20 seconds: the next guard sends the rest.
 */
export async function evaluateAndNotify(context: EvaluationContext): Promise<EvaluatedAndNotified> {
  const { clock, log } = context.ports;
  // A slow alert receiver must not make the watchdog report a missed objective.
  let pointMet = false;
  try {
    return await withDeadline(clock, clock.now() + LIMIT_MS, async () => {
      const { finding, updateAnswers, ...evaluation } = await evaluate(context);
      pointMet = evaluation.pointMet;
      return { pointMet, sent: (await notify(context.ports, finding, updateAnswers)).notices };
    });
  } catch (error) {
    log.warn('evaluation-cut-off', { code: toAppError(error).code });
    return { pointMet, sent: [] };
  }
}

/** Evaluates the alerts after a run and, after a snapshot, pings the watchdog with whether the objective is met. */
export async function afterRun(context: EvaluationContext, run: RunRecord): Promise<void> {
  if (traitsOf(run.kind).evaluated !== true) return;
  const { pointMet } = await evaluateAndNotify(context);
  if (run.kind !== 'snapshot') return;
  await pingWatchdog(context.ports, run.state === 'succeeded' && pointMet ? 'success' : 'fail');
}
