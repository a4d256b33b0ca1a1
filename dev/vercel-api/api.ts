import type { ApiCall, ApiReply } from '../stand-in-server.js';
import {
  addDeployment,
  addVariable,
  readState,
  type StandInDeployment,
  type StandInProject,
  type StandInVariable,
  type VariableType,
} from './projects.js';

export interface BuildPlan {
  /** How many times the state of a new deployment reads as BUILDING; default 1. */
  readonly buildingReads?: number;
  readonly ending?: 'READY' | 'ERROR';
  /** The state is BUILDING until this promise ends. */
  readonly until?: Promise<unknown>;
}

interface Service {
  readonly projects: readonly StandInProject[];
  /** Names of teams by id. */
  readonly teams: Readonly<Record<string, string>>;
  readonly build: (project: string, variables: Readonly<Record<string, string>>) => BuildPlan;
}

const PROJECT = /^\/v(?:9|10|1)\/projects\/([^/]+)\/env(?:\/([^/]+))?$/;
const DOMAINS = /^\/v9\/projects\/([^/]+)\/domains$/;
const DEPLOYMENT = /^\/v1[23]\/deployments\/([^/]+?)(\/cancel)?$/;

/** Answers an authorised call. */
export function answer(service: Service, call: ApiCall): ApiReply {
  const { method, path } = call;
  const [, name, id] = PROJECT.exec(path)?.map((part) => decodeURIComponent(part)) ?? [];
  if (name !== undefined)
    return answerProject(service, name, PROJECT.exec(path)?.[2] === undefined ? null : (id ?? ''), call);
  if (method === 'GET' && path === '/v2/teams') return { status: 200, body: { teams: listNames(service.teams) } };
  if (method === 'GET' && path === '/v10/projects')
    return { status: 200, body: { projects: service.projects.map(({ id, name: called }) => ({ id, name: called })) } };
  const domainsOf = DOMAINS.exec(path)?.[1];
  if (method === 'GET' && domainsOf !== undefined) return listDomains(service, decodeURIComponent(domainsOf));
  if (method === 'GET' && path === '/v6/deployments') return listDeployments(service, call);
  if (method === 'POST' && path === '/v13/deployments') return deploy(service, call);
  const [, deploymentId = '', cancel] = DEPLOYMENT.exec(path) ?? [];
  const found = listAllDeployments(service).find(({ deployment }) => deployment.id === deploymentId);
  if (found === undefined) return problem(404, 'not_found');
  if (cancel === undefined) readState(found.deployment);
  else if (found.deployment.state === 'BUILDING') found.deployment.state = 'CANCELED';
  else return problem(400, 'bad_request');
  return { status: 200, body: viewDeployment(found.project, found.deployment) };
}

function answerProject(service: Service, name: string, id: string | null, call: ApiCall): ApiReply {
  const project = projectOf(service, name);
  if (project === undefined) return problem(404, 'not_found');
  if (id === null)
    return call.method === 'POST' ? create(project, call) : { status: 200, body: listVariables(project) };
  const variable = project.variables.find((one) => one.id === id);
  if (variable === undefined) return problem(404, 'not_found');
  if (call.method === 'GET') return { status: 200, body: { ...viewVariable(variable), ...decryptedFields(variable) } };
  if (call.method === 'DELETE') {
    project.variables.splice(project.variables.indexOf(variable), 1);
    return { status: 200, body: viewVariable(variable) };
  }
  const { comment, value } = call.body as { comment?: string; value?: string };
  if (value !== undefined) variable.value = value;
  variable.updatedAt = Date.now();
  if (comment !== undefined) variable.comment = comment;
  return { status: 200, body: viewVariable(variable) };
}

function create(project: StandInProject, call: ApiCall): ApiReply {
  const { comment, key, target, type, value } = call.body as {
    comment?: string;
    key: string;
    target: string[];
    type: VariableType;
    value: string;
  };
  const there = project.variables.find((one) => one.key === key && one.target.some((each) => target.includes(each)));
  if (there !== undefined && call.query.get('upsert') !== 'true') return problem(400, 'ENV_CONFLICT');
  if (there !== undefined) Object.assign(there, { value, updatedAt: Date.now() });
  const made = there ?? addVariable(project, key, value, type, target, comment);
  return { status: 201, body: { created: viewVariable(made), failed: [] } };
}

function listDomains(service: Service, name: string): ApiReply {
  const project = projectOf(service, name);
  if (project === undefined) return problem(404, 'not_found');
  const body = project.domains.map((domain) => ({ name: domain, verified: true, redirect: null, gitBranch: null }));
  return { status: 200, body: { domains: body, pagination: { count: body.length, next: null, prev: null } } };
}

const listNames = (names: Readonly<Record<string, string>>): object[] =>
  Object.entries(names).map(([id, name]) => ({ id, name }));

/** A variable without decryption: the value is cipher text, or missing for sensitive variables. */
function viewVariable({ comment, id, key, target, type, updatedAt }: StandInVariable): object {
  return {
    id,
    key,
    target,
    type,
    comment,
    updatedAt,
    value: type === 'sensitive' ? '' : 'eyJ2IjoidjIi',
    decrypted: false,
  };
}

function decryptedFields({ type, value }: StandInVariable): object {
  return type === 'sensitive' ? {} : { value, decrypted: true };
}

const listVariables = (project: StandInProject): object => ({ envs: project.variables.map(viewVariable) });

function listDeployments(service: Service, { query }: ApiCall): ApiReply {
  const project = projectOf(service, query.get('projectId') ?? '');
  if (project === undefined) return problem(404, 'not_found');
  const { deployments } = project;
  const wanted = deployments.filter(
    ({ state, target }) =>
      target === (query.get('target') ?? target) && (query.get('state') === null || state === query.get('state')),
  );
  const limit = Number(query.get('limit') ?? 20);
  return {
    status: 200,
    body: {
      deployments: wanted.slice(0, limit).map((deployment) => {
        const { id, ...rest } = viewDeployment(project, deployment);
        return { uid: id, state: deployment.state, ...rest };
      }),
      pagination: { count: wanted.length, next: null, prev: null },
    },
  };
}

function deploy(service: Service, { body }: ApiCall): ApiReply {
  const {
    deploymentId,
    meta = {},
    name,
  } = body as { deploymentId: string; meta?: Record<string, string>; name: string };
  const project = service.projects.find(
    (one) => one.name === name && one.deployments.some(({ id }) => id === deploymentId),
  );
  if (project === undefined) return problem(404, 'not_found');
  const variables = Object.fromEntries(project.variables.map(({ key, value }) => [key, value]));
  const { ending = 'READY', buildingReads = 1, until } = service.build(project.name, variables);
  const deployment = addDeployment(project, meta, until === undefined ? buildingReads : Infinity, ending);
  const served = (): void => void (deployment.buildingReadsLeft = 0);
  until?.then(served, served);
  return { status: 200, body: viewDeployment(project, deployment) };
}

function viewDeployment({ id: projectId, name }: StandInProject, deployment: StandInDeployment) {
  const { createdAt, id, meta, state, target } = deployment;
  return { id, name, projectId, target, createdAt, readyState: state, meta };
}

function projectOf({ projects }: Service, name: string): StandInProject | undefined {
  return projects.find((one) => one.name === name || one.id === name);
}

function listAllDeployments({ projects }: Service): { project: StandInProject; deployment: StandInDeployment }[] {
  return projects.flatMap((project) => project.deployments.map((deployment) => ({ project, deployment })));
}

export function problem(status: number, code: string, more: object = {}): ApiReply {
  return { status, body: { error: { code, message: `An error: ${code}`, ...more } } };
}
