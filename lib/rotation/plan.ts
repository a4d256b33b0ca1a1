import { AppError } from '../errors.js';
import type { Deployment, HostedVariable } from '../ports/hosting.js';
import type { Ports } from '../ports/index.js';
import { type RotationRequest, fingerprint, type Journal, type Step } from './model.js';

/** A variable as found, and its new value. */
export interface PlannedStep {
  readonly project: string;
  readonly variable: string;
  /** Null if production has no variable of that name. */
  readonly found: HostedVariable | null;
  /** The current value; null if there is none or the host does not reveal it. */
  readonly present: string | null;
  /** The value for a rollback; null if there was none or it is unknown. */
  readonly old: string | null;
  /** Whether it already has the new value. */
  readonly isNew: boolean;
  /** Whether the variable did not exist before the rotation: a rollback removes it. */
  readonly wasAbsent: boolean;
  readonly value: string;
}

export interface Plan {
  readonly steps: readonly PlannedStep[];
  readonly deployments: readonly { readonly project: string; readonly from: Deployment }[];
}

type Needs = Pick<Ports, 'deployments' | 'variables'>;

/** Reads everything that the rotation changes; changes nothing. */
export async function makePlan(ports: Needs, request: RotationRequest): Promise<Plan> {
  const steps: PlannedStep[] = [];
  const deployments: { project: string; from: Deployment }[] = [];
  for (const project of new Set(request.changes.map((change) => change.project))) {
    const from = await ports.deployments.newest(project);
    if (from === null)
      throw new AppError('hosting-refused', `${project} has no production deployment that could be rebuilt`, {
        hint: 'Nothing was changed. Deploy the project once, then run the same command again.',
      });
    deployments.push({ project, from });
    const variables = await ports.variables.list(project);
    for (const { variable, value } of request.changes.filter((change) => change.project === project)) {
      const found = variables.find(({ name }) => name === variable) ?? null;
      const present = found?.readable === true ? await ports.variables.read(project, found.id) : null;
      const given = request.oldValues.find((old) => old.variable === variable)?.value ?? null;
      const old = found === null ? null : (present ?? given);
      steps.push({
        project,
        variable,
        found,
        present,
        old,
        isNew: present === value,
        wasAbsent: found === null,
        value,
      });
    }
  }
  return { steps, deployments };
}

/** Whether a rollback is possible: the old value is known, or there was none. */
export function hasWayBack({ old, wasAbsent }: PlannedStep): boolean {
  return wasAbsent || old !== null;
}

/** Throws before any change if an old value could not be restored and the operator has not accepted that. */
export function assertWayBack({ steps }: Plan, request: RotationRequest): void {
  const lost = steps
    .filter((step) => !step.isNew && !hasWayBack(step))
    .map(({ project, variable }) => `${variable} of ${project}`);
  if (lost.length === 0 || request.acceptNoWayBack) return;
  throw new AppError(
    'not-confirmed',
    `Nothing was changed: the current value of ${lost.join(' and ')} could not be restored in a rollback`,
    {
      hint: 'Vercel does not reveal sensitive variables. Give the current value with --old-value-stdin or --old-value-env, or continue without a rollback: --no-way-back.',
    },
  );
}

/** The state of a journal's step by the variable's current value; null if someone else has changed the variable. */
function currentState(journal: Journal, step: Step, { found, present }: PlannedStep): Step['state'] | null {
  if (found === null) return step.was === 'absent' ? 'old' : null;
  if (present === null) return step.state;
  const current = fingerprint(journal.id, present);
  if (current === step.becomes) return 'new';
  return current === step.was ? 'old' : null;
}

export function stepOf(journal: Journal, { project, variable }: PlannedStep): Step | undefined {
  return journal.steps.find((step) => step.project === project && step.variable === variable);
}

/**
 * Whether an unfinished rotation can be resumed: it sets the same values of the same variables, was not being rolled back, and
 * nothing else has changed the variables since. Otherwise a new rotation starts from the current values.
 */
export function canResume(journal: Journal, plan: Plan): boolean {
  if (journal.state !== 'changing' || journal.steps.length !== plan.steps.length) return false;
  return plan.steps.every((planned) => {
    const step = stepOf(journal, planned);
    if (step?.becomes !== fingerprint(journal.id, planned.value)) return false;
    const state = currentState(journal, step, planned);
    // A deployment that has begun was built with the values of that time.
    const isBegun = journal.deployments.some(({ project, state: at }) => project === planned.project && at !== 'none');
    return state !== null && !(isBegun && state !== 'new');
  });
}

/**
 * The plan with the old values of a resumed rotation. The current value may be the new one already; the old one may come
 * from the caller or from another project that still has it, and is recognized by its fingerprint.
 */
export function withOldValues(journal: Journal, plan: Plan, request: RotationRequest): Plan {
  const known = [
    ...request.oldValues.map(({ value }) => value),
    ...request.candidates,
    ...plan.steps.flatMap(({ present }) => present ?? []),
  ];
  return {
    ...plan,
    steps: plan.steps.map((planned) => {
      const step = stepOf(journal, planned);
      const was = step?.was;
      const isNew = step !== undefined && currentState(journal, step, planned) === 'new';
      const old = known.find((value) => fingerprint(journal.id, value) === was) ?? null;
      return { ...planned, old, isNew, wasAbsent: was === 'absent' };
    }),
  };
}
