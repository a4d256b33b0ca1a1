import type { AppError } from '../errors.js';
import type { DeploymentStep, Journal } from './model.js';
import { hasWayBack, type Plan } from './plan.js';

export interface RotatedVariable {
  readonly project: string;
  readonly variable: string;
  /** What is to be done, or was: nothing when it has the new value already. */
  readonly action: 'set' | 'create' | 'keep';
  /** Which value it has by now. */
  readonly has: 'old' | 'new' | 'unsure';
  /** Whether a roll back can bring back what was there. */
  readonly wayBack: boolean;
}

/** Holds no value of any variable. */
export interface RotationResult {
  /** Null for a dry run. */
  readonly id: string | null;
  /**
   * `done`; `planned`, a dry run; `rolled-back`, all is as it was; `half-changed`, some of it could not be put back;
   * `broken-off`, the same call resumes it.
   */
  readonly outcome: 'planned' | 'done' | 'rolled-back' | 'half-changed' | 'broken-off';
  /** An unfinished rotation was gone on with, or would be. */
  readonly resumed: boolean;
  /** What the new values were seen to do. */
  readonly proof: string;
  readonly variables: readonly RotatedVariable[];
  readonly deployments: readonly {
    readonly project: string;
    readonly from: string;
    readonly state: DeploymentStep['state'];
  }[];
  /** What the backend said at the end; `not-asked` without BACKEND_URL, in a dry run, and when it did not come to it. */
  readonly backend: 'healthy' | 'as-bad-as-before' | 'not-asked';
  readonly counts: { readonly variables: number; readonly changed: number; readonly redeployed: number };
  readonly error: AppError | null;
}

/** What is told of a dry run. `journal` is that of an unfinished rotation that would be gone on with. */
export function plannedResult(plan: Plan, proof: string, journal: Journal | null): RotationResult {
  const variables = plan.steps.map((step) => ({
    ...describe(step),
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
    counts: counted(variables, 0),
    error: null,
  };
}

type Ended = Pick<RotationResult, 'outcome' | 'resumed' | 'proof' | 'backend' | 'error'>;

export function endedResult(plan: Plan, journal: Journal, ended: Ended): RotationResult {
  const variables = plan.steps.map((step) => ({
    ...describe(step),
    has:
      journal.steps.find(({ project, variable }) => project === step.project && variable === step.variable)?.state ??
      ('unsure' as const),
  }));
  const deployments = journal.deployments.map(({ project, from, state }) => ({ project, from: from.id, state }));
  const redeployed = deployments.filter(({ state }) => state === 'ready').length;
  return { id: journal.id, ...ended, variables, deployments, counts: counted(variables, redeployed) };
}

function describe(step: Plan['steps'][number]): Omit<RotatedVariable, 'has'> {
  const { found, isNew, project, variable } = step;
  const action = found === null ? 'create' : isNew ? 'keep' : 'set';
  return { project, variable, action, wayBack: hasWayBack(step) };
}

function counted(variables: readonly RotatedVariable[], redeployed: number): RotationResult['counts'] {
  const changed = variables.filter(({ action, has }) => action !== 'keep' && has === 'new').length;
  return { variables: variables.length, changed, redeployed };
}
