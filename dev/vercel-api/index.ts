import { randomBytes } from 'node:crypto';
import { serveApi, type ApiCall, type Served } from '../stand-in-server.js';
import { answer, problem, type BuildPlan } from './api.js';
import { newProject, type StandInProject, type VariableSetup } from './projects.js';

export type { StandInProject, VariableSetup } from './projects.js';
export type { ApiCall } from '../stand-in-server.js';

/**
 * Faults of a call. Not served: a status, `limit` (429 with Retry-After), `limit-by-day` (429 with its end in the body), `cut`,
 * `hang`. Served: `lose-reply`, `not-json`.
 */
export type VercelFault = 'limit' | 'limit-by-day' | 'cut' | 'hang' | 'lose-reply' | 'not-json' | number;

export interface VercelStandInOptions {
  /** Default: a random token. */
  readonly token?: string;
  /** Id of the team that all projects belong to; without one they belong to the token's account. */
  readonly team?: string;
  readonly projects?: Readonly<Record<string, Readonly<Record<string, VariableSetup>>>>;
  /** Production hosts of a project; default NAME.vercel.app. */
  readonly domains?: Readonly<Record<string, readonly string[]>>;
  /** Projects without a deployment. */
  readonly neverDeployed?: readonly string[];
  /** Returns the fault of an authorised call; null for none. */
  readonly fault?: (call: ApiCall, index: number) => VercelFault | null;
  /** Plans the build of a new deployment by its project and its variables. */
  readonly build?: (project: string, variables: Readonly<Record<string, string>>) => BuildPlan;
}

export interface VercelStandIn {
  readonly url: string;
  readonly token: string;
  /** Authorised calls, in order. */
  readonly calls: readonly ApiCall[];
  project(name: string): StandInProject;
  /** The value of a variable in production; undefined when there is none. */
  valueOf(project: string, variable: string): string | undefined;
  /** The variables of the newest ready deployment. */
  served(project: string): Readonly<Record<string, string>>;
  set(changes: Pick<VercelStandInOptions, 'build' | 'fault'>): void;
  stop(): Promise<void>;
}

const STATUS_CODES: Readonly<Record<number, string>> = {
  400: 'bad_request',
  401: 'unauthorized',
  402: 'payment_required',
};

/**
 * A stand-in for the calls of Vercel's REST API that change variables and rebuild deployments, on loopback.
 *
 * Modelled, after vercel.com/docs/rest-api and the shapes in the vendor's @vercel/sdk: variables (list, read decrypted,
 * create with upsert, edit, remove; types encrypted, plain and sensitive), deployments (list with target, state and limit;
 * create from another with its metadata; state; cancel), teams, projects and their domains, comments of variables, teamId, 403
 * for a wrong token or team, 404, 429. A deployment keeps the variables it was built with. Not modelled: builds, files, Git,
 * pagination, shared variables and those of integrations, custom environments.
 */
export async function startVercelApi(options: VercelStandInOptions = {}): Promise<VercelStandIn> {
  const token = options.token ?? randomBytes(18).toString('base64url');
  const projects = Object.entries(options.projects ?? {}).map(([name, variables]) =>
    newProject(name, variables, {
      isNew: options.neverDeployed?.includes(name) === true,
      ...(options.domains?.[name] === undefined ? {} : { domains: options.domains[name] }),
    }),
  );
  let { fault = () => null, build = () => ({}) } = options;
  const calls: ApiCall[] = [];
  const serve = (call: ApiCall): Served => {
    const isOfTeam = call.path === '/v2/teams' || (call.query.get('teamId') ?? undefined) === options.team;
    const isOurs = call.headers.authorization === `Bearer ${token}` && isOfTeam;
    if (!isOurs) return problem(403, 'forbidden', { invalidToken: true });
    const failure = fault(call, calls.push(call) - 1);
    const work = () =>
      answer({ projects, teams: options.team === undefined ? {} : { [options.team]: 'Acme' }, build }, call);
    return failure === null ? work() : applyFault(failure, work);
  };
  const server = await serveApi(serve);
  const project = (name: string): StandInProject => {
    const found = projects.find((one) => one.name === name);
    if (found === undefined) throw new TypeError(`no project ${name}`);
    return found;
  };
  return {
    url: server.url,
    token,
    calls,
    project,
    valueOf: (name, variable) =>
      project(name).variables.find(({ key, target }) => key === variable && target.includes('production'))?.value,
    served: (name) => project(name).deployments.find(({ state }) => state === 'READY')?.variables ?? {},
    set: (changes) => void ({ fault, build } = { fault, build, ...changes }),
    stop: () => server.stop(),
  };
}

function applyFault(fault: VercelFault, work: () => Served): Served {
  if (typeof fault === 'number') return problem(fault, STATUS_CODES[fault] ?? 'internal_server_error');
  switch (fault) {
    case 'cut':
    case 'hang':
      return fault;
    case 'limit':
      return { ...problem(429, 'rate_limited'), headers: { 'retry-after': '3600' } };
    case 'limit-by-day': {
      const resetMs = Date.now() + 86_400_000;
      return problem(429, 'rate_limited', {
        limit: { remaining: 0, reset: Math.ceil(resetMs / 1000), resetMs, total: 100 },
      });
    }
    case 'lose-reply':
      work();
      return 'cut';
    case 'not-json':
      work();
      return { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>a page of some proxy</html>' };
  }
}
