import { AppError } from '../errors.js';
import type { Deployment, HostedVariable } from '../ports/hosting.js';
import type { Ports } from '../ports/index.js';
import type { RotationRequest } from './model.js';

/** A variable as it is found, and what it is to become. */
export interface PlannedStep {
  readonly project: string;
  readonly variable: string;
  /** Null when there is none of that name in production. */
  readonly found: HostedVariable | null;
  /** The value it has; null when there is none, or the host does not give it out. */
  readonly present: string | null;
  /** The value that a roll back brings back; null when there was none before, or nobody knows it. */
  readonly old: string | null;
  /** It has the new value already, so that nothing is lost by setting it. */
  readonly isNew: boolean;
  /** There was none before the rotation, so that a roll back removes it. */
  readonly wasAbsent: boolean;
  readonly value: string;
}

export interface Plan {
  readonly steps: readonly PlannedStep[];
  readonly deployments: readonly { readonly project: string; readonly from: Deployment }[];
}

type Needs = Pick<Ports, 'deployments' | 'variables'>;

/** Looks at everything that is to be changed, and changes nothing. */
export async function makePlan(ports: Needs, request: RotationRequest): Promise<Plan> {
  const steps: PlannedStep[] = [];
  const deployments: { project: string; from: Deployment }[] = [];
  for (const project of new Set(request.changes.map((change) => change.project))) {
    const from = await ports.deployments.newest(project);
    if (from === null) throw neverDeployed(project);
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

/** Whether a roll back can bring back what was there: a value that is known, or that there was none. */
export function hasWayBack({ old, wasAbsent }: PlannedStep): boolean {
  return wasAbsent || old !== null;
}

/** Throws before anything is changed, when some value could not be brought back and nobody has agreed to that. */
export function demandWayBack({ steps }: Plan, request: RotationRequest): void {
  const lost = steps
    .filter((step) => !step.isNew && !hasWayBack(step))
    .map(({ project, variable }) => `${variable} of ${project}`);
  if (lost.length === 0 || request.acceptNoWayBack) return;
  throw new AppError(
    'not-confirmed',
    `Nothing was changed: the present ${lost.join(' and ')} could not be brought back`,
    {
      hint: 'Vercel does not give out sensitive variables. Give the present value with --old-value-stdin or --old-value-env, or go without a way back: --no-way-back.',
    },
  );
}

function neverDeployed(project: string): AppError {
  return new AppError('hosting-refused', `${project} has no production deployment that could be rebuilt`, {
    hint: 'Nothing was changed. Deploy the project once, then run the same command again.',
  });
}
