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
import { recordCall } from './schedulers.js';
import { readState, type Caller, type GuardState } from './state.js';
import { evaluateAnswers, toRecordedAnswers } from './status/answers.js';
import { markStateOutdated } from './status/public-state.js';

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
