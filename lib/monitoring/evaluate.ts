import { toAppError } from '../errors.js';
import type { AlertNotice, HeartbeatSignal } from '../ports/alerter.js';
import type { Clock } from '../ports/clock.js';
import type { Ports } from '../ports/index.js';
import { traitsOf } from '../run-kinds.js';
import type { RunRecord } from '../runs/model.js';
import { refreshCatalog } from '../snapshot/catalog-object.js';
import { trustContext } from '../snapshot/trust.js';
import type { Finding } from './alerts/condition.js';
import { isOfControl } from './alerts/from-control.js';
import { notify, type NotifyPorts } from './alerts/notify.js';
import { evaluateFacts } from './alerts/sources.js';
import { withDeadline } from './deadline.js';
import type { Drills } from './drill-view.js';
import { type Facts, gatherFacts } from './facts.js';
import { recoveryPointOf, recoveryTimeOf } from './objectives.js';
import { recordCall } from './schedulers.js';
import { type Caller, type GuardState, type HeartbeatState, readState } from './state.js';
import { evaluateAnswers, toRecordedAnswers, type AlertRules } from './status/answers.js';
import { markStateOutdated } from './status/public-state.js';

export interface GuardPorts extends Pick<Ports, 'clock' | 'heartbeat' | 'signer'>, NotifyPorts {}

/** What alerts, answers and objectives are evaluated from. */
export interface EvaluationContext extends AlertRules {
  readonly ports: GuardPorts;
  readonly drills: Drills;
}

export interface Evaluation {
  readonly finding: Finding;
  /** Whether the recovery point objective is met; false if unknown. */
  readonly pointMet: boolean;
  /** Returns the state with the current answers; unchanged if the store could not be read. */
  readonly updateAnswers: (state: GuardState) => GuardState;
}

/** The guard's turn that is ending. */
interface Turn {
  readonly caller: Caller;
  /** ISO 8601. */
  readonly at: string;
}

/**
 * Evaluates the contents of the store. `turn` is set by the guard alone. If the store cannot be read, that is the only
 * condition found, and all other alerts are left undecided. Never throws.
 */
export async function evaluate(context: EvaluationContext, turn?: Turn): Promise<Evaluation> {
  const { drills, ports } = context;
  try {
    // Always read: a state that cannot be read is an alert.
    const state = await readState(ports.store, ports.own);
    await refreshCatalog(ports);
    await markStateOutdated(ports);
    const facts = await gatherFacts(await trustContext(ports, ports.own), drills);
    const guard = turn === undefined ? state : withCall(state, turn, context);
    const finding = evaluateFacts(facts, { ...context, guard, isGuard: turn !== undefined });
    const updateAnswers = answersUpdate(context, facts, finding);
    return { finding, pointMet: recoveryPointOf(facts).met, updateAnswers };
  } catch (error) {
    const { code, message, hint } = toAppError(error);
    ports.log.error('not-evaluated', { code, message });
    const condition = { code: 'store-unavailable', subject: 'store', message, hint } as const;
    const finding: Finding = { conditions: [condition], evaluated: new Set(['store-unavailable']) };
    return { finding, pointMet: false, updateAnswers: (state) => state };
  }
}

/** Adds a call of the guard to the state. */
export function withCall(
  state: GuardState,
  { at, caller }: Turn,
  { schedulers }: Pick<EvaluationContext, 'schedulers'>,
): GuardState {
  return { ...state, lastRunAt: at, callers: recordCall(state.callers, caller, schedulers, at) };
}

function answersUpdate(context: EvaluationContext, facts: Facts, { conditions }: Finding): Evaluation['updateAnswers'] {
  const point = recoveryPointOf(facts);
  const time = recoveryTimeOf(facts.lastPassed, point.newest?.manifest?.counts.keys ?? null);
  const control = conditions.filter(isOfControl);
  return (state) => {
    const answers = evaluateAnswers({ facts, point, time, control, tried: [] }, state, context);
    return { ...state, answers: toRecordedAnswers(answers, facts.now) };
  };
}

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

/**
 * Pings the watchdog and returns the outcome for the guard's state. A failed ping stops nothing: the watchdog raises an alarm
 * when pings are missing. Without a configured watchdog nothing is pinged, and the outcome is a success.
 */
export async function pingWatchdog(
  { clock, heartbeat, log }: Pick<Ports, 'heartbeat' | 'log'> & { readonly clock: Pick<Clock, 'now'> },
  signal: HeartbeatSignal,
): Promise<HeartbeatState> {
  const at = new Date(clock.now()).toISOString();
  try {
    await heartbeat.ping(signal);
    return { at, error: null };
  } catch (error) {
    const { code, hint, message } = toAppError(error);
    log.warn('heartbeat-not-sent', { signal, code });
    return { at, error: { code, hint, message } };
  }
}

/** Evaluates the alerts after a run and, after a snapshot, pings the watchdog with whether the objective is met. */
export async function afterRun(context: EvaluationContext, run: RunRecord): Promise<void> {
  if (traitsOf(run.kind).evaluated !== true) return;
  const { pointMet } = await evaluateAndNotify(context);
  if (run.kind !== 'snapshot') return;
  await pingWatchdog(context.ports, run.state === 'succeeded' && pointMet ? 'success' : 'fail');
}
