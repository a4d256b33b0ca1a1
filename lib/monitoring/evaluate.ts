import { toAppError } from '../errors.js';
import { refreshCatalog } from '../snapshot/catalog-object.js';
import { trustContext } from '../snapshot/trust.js';
import type { Finding } from './alerts/condition.js';
import { isOfControl } from './alerts/from-control.js';
import { evaluateFacts } from './alerts/sources.js';
import { gatherFacts, type Facts } from './facts.js';
import type { EvaluationContext } from './guard/parts.js';
import { recoveryPointOf } from './recovery-point.js';
import { recoveryTimeOf } from './recovery-time.js';
import { noteCall } from './schedulers.js';
import { readState, type Caller, type GuardState } from './state.js';
import { evaluateAnswers, recordOf } from './status/answers.js';
import { outdateState } from './status/public-state.js';

export interface Evaluation {
  readonly finding: Finding;
  /** Whether the recovery point objective is met; false when it cannot be known. */
  readonly pointMet: boolean;
  /** Puts the answers, as they are by this state, into it. Leaves it as it is where the store could not be read. */
  readonly answer: (state: GuardState) => GuardState;
}

/** The turn of a guard that is being concluded. */
export interface Turn {
  readonly caller: Caller;
  /** ISO 8601. */
  readonly at: string;
}

/**
 * Evaluates what stands in the store. `turn`: of the guard, where it is the guard that does. A store that cannot be read is
 * what there is to tell then, and of all else nothing is known. Throws nothing.
 */
export async function evaluate(context: EvaluationContext, turn?: Turn): Promise<Evaluation> {
  const { drills, ports } = context;
  try {
    // Read in any case: that it cannot be is something to tell.
    const state = await readState(ports.store, ports.own);
    await refreshCatalog(ports);
    await outdateState(ports);
    const facts = await gatherFacts(await trustContext(ports, ports.own), drills);
    const guard = turn === undefined ? state : calledBy(state, turn, context);
    const finding = evaluateFacts(facts, { ...context, guard, isGuard: turn !== undefined });
    return { finding, pointMet: recoveryPointOf(facts).met, answer: answering(context, facts, finding) };
  } catch (error) {
    const { code, message, hint } = toAppError(error);
    ports.log.error('not-evaluated', { code, message });
    const condition = { code: 'store-unavailable', subject: 'store', message, hint } as const;
    const finding: Finding = { conditions: [condition], evaluated: new Set(['store-unavailable']) };
    return { finding, pointMet: false, answer: (state) => state };
  }
}

/** The state with one more call of the guard. */
export function calledBy(
  state: GuardState,
  { at, caller }: Turn,
  { schedulers }: Pick<EvaluationContext, 'schedulers'>,
): GuardState {
  return { ...state, lastRunAt: at, callers: noteCall(state.callers, caller, schedulers, at) };
}

function answering(context: EvaluationContext, facts: Facts, { conditions }: Finding): Evaluation['answer'] {
  const point = recoveryPointOf(facts);
  const time = recoveryTimeOf(facts.lastPassed, point.newest?.manifest?.counts.keys ?? null);
  const control = conditions.filter(isOfControl);
  return (state) => {
    const answers = evaluateAnswers({ facts, point, time, control, tried: [] }, state, context);
    return { ...state, answers: recordOf(answers, facts.now) };
  };
}
