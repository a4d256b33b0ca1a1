import type { AppError } from '../errors.js';
import type { DeploymentStep, Journal } from './model.js';
import { hasWayBack, type Plan } from './plan.js';

export interface RotatedVariable {
  readonly project: string;
  readonly variable: string;
  /** The planned or completed action; `keep` if it already has the new value. */
  readonly action: 'set' | 'create' | 'keep';
  /** Its current value. */
  readonly has: 'old' | 'new' | 'unsure';
  /** Whether a rollback is possible. */
  readonly wayBack: boolean;
}

/** Holds no value of any variable. */
export interface RotationResult {
  /** Null for a dry run. */
  readonly id: string | null;
  /**
   * `planned`: a dry run; `rolled-back`: everything is as before; `half-changed`: part of it could not be rolled back;
   * `broken-off`: interrupted, and resumed by the same call.
   */
  readonly outcome: 'planned' | 'done' | 'rolled-back' | 'half-changed' | 'broken-off';
  /** Whether an unfinished rotation was, or would be, resumed. */
  readonly resumed: boolean;
  /** Description of the new values by `prove`. */
  readonly proof: string;
  readonly variables: readonly RotatedVariable[];
  readonly deployments: readonly {
    readonly project: string;
    readonly from: string;
    readonly state: DeploymentStep['state'];
  }[];
  /** State of the backend at the end; `not-asked` without BACKEND_URL, in a dry run, and after an earlier failure. */
  readonly backend: 'healthy' | 'as-bad-as-before' | 'not-asked';
  readonly counts: { readonly variables: number; readonly changed: number; readonly redeployed: number };
  readonly error: AppError | null;
}

/** Result of a dry run. `journal`: the unfinished rotation that would be resumed. */
export function plannedResult(plan: Plan, proof: string, journal: Journal | null): RotationResult {
  const variables = plan.steps.map((step) => ({
    ...describeStep(step),
    has: step.isNew ? ('new' as const) : ('old' as const),
  }));
  return {
    id: null,
    outcome: 'planned',
    resumed: journal !== null,
    proof,
    variables,
    deployments: plan.deployments.map(({ project, from }) => ({ project, from: from.id, state: 'none' })),
    backend: 'not-asked',
    counts: countVariables(variables, 0),
    error: null,
  };
}

type Ended = Pick<RotationResult, 'outcome' | 'resumed' | 'proof' | 'backend' | 'error'>;

export function endedResult(plan: Plan, journal: Journal, ended: Ended): RotationResult {
  const variables = plan.steps.map((step) => ({
    ...describeStep(step),
    has:
      journal.steps.find(({ project, variable }) => project === step.project && variable === step.variable)?.state ??
      ('unsure' as const),
  }));
  const deployments = journal.deployments.map(({ project, from, state }) => ({ project, from: from.id, state }));
  const redeployed = deployments.filter(({ state }) => state === 'ready').length;
  return { id: journal.id, ...ended, variables, deployments, counts: countVariables(variables, redeployed) };
}

function describeStep(step: Plan['steps'][number]): Omit<RotatedVariable, 'has'> {
  const { found, isNew, project, variable } = step;
  const action = found === null ? 'create' : isNew ? 'keep' : 'set';
  return { project, variable, action, wayBack: hasWayBack(step) };
}

function countVariables(variables: readonly RotatedVariable[], redeployed: number): RotationResult['counts'] {
  const changed = variables.filter(({ action, has }) => action !== 'keep' && has === 'new').length;
  return { variables: variables.length, changed, redeployed };
}
