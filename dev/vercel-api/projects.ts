import { randomBytes } from 'node:crypto';

export type VariableType = 'encrypted' | 'plain' | 'sensitive';

export interface StandInVariable {
  readonly id: string;
  readonly key: string;
  value: string;
  type: VariableType;
  target: string[];
  comment: string;
  updatedAt: number;
}

export interface StandInDeployment {
  readonly id: string;
  readonly target: 'production' | 'preview';
  readonly createdAt: number;
  readonly meta: Readonly<Record<string, string>>;
  /** The variables that the deployment was built with. */
  readonly variables: Readonly<Record<string, string>>;
  state: 'BUILDING' | 'READY' | 'ERROR' | 'CANCELED';
  /** How many more times the state reads as BUILDING. */
  buildingReadsLeft: number;
  /** The state after the build. */
  readonly ending: 'READY' | 'ERROR';
}

export interface StandInProject {
  readonly id: string;
  readonly name: string;
  readonly variables: StandInVariable[];
  readonly deployments: StandInDeployment[];
  /** Hosts of production. */
  readonly domains: readonly string[];
}

/** A variable, or its value alone for an encrypted variable of production, which can be read back. */
export type VariableSetup =
  string | { readonly value: string; readonly type?: VariableType; readonly target?: string[] };

/** `isNew`: a project without a deployment. */
export function newProject(
  name: string,
  variables: Readonly<Record<string, VariableSetup>>,
  {
    domains = [`${name}.vercel.app`],
    isNew = false,
  }: { readonly domains?: readonly string[]; readonly isNew?: boolean } = {},
): StandInProject {
  const project: StandInProject = { id: `prj_${name}`, name, variables: [], deployments: [], domains };
  for (const [key, setup] of Object.entries(variables)) {
    const { value, type = 'encrypted', target = ['production'] } = typeof setup === 'string' ? { value: setup } : setup;
    addVariable(project, key, value, type, target);
  }
  if (!isNew) addDeployment(project, {}, 0, 'READY');
  return project;
}

export function addVariable(
  project: StandInProject,
  key: string,
  value: string,
  type: VariableType,
  target: string[],
  comment = '',
): StandInVariable {
  const variable = {
    id: `env_${randomBytes(8).toString('hex')}`,
    key,
    value,
    type,
    target,
    comment,
    updatedAt: Date.now(),
  };
  project.variables.push(variable);
  return variable;
}

/** `buildingReads`: how many times the state reads as BUILDING. */
export function addDeployment(
  project: StandInProject,
  meta: Readonly<Record<string, string>>,
  buildingReads: number,
  ending: 'READY' | 'ERROR',
): StandInDeployment {
  const deployment: StandInDeployment = {
    id: `dpl_${randomBytes(8).toString('hex')}`,
    target: 'production',
    createdAt: Date.now(),
    meta,
    variables: Object.fromEntries(
      project.variables.filter(({ target }) => target.includes('production')).map(({ key, value }) => [key, value]),
    ),
    state: buildingReads === 0 ? ending : 'BUILDING',
    buildingReadsLeft: buildingReads,
    ending,
  };
  project.deployments.unshift(deployment);
  return deployment;
}

/** Reads the state of a deployment; each read brings the build closer to its end. */
export function readState(deployment: StandInDeployment): StandInDeployment['state'] {
  if (deployment.state !== 'BUILDING') return deployment.state;
  if (deployment.buildingReadsLeft-- <= 0) deployment.state = deployment.ending;
  return deployment.state;
}
