import type { Clock } from '../../ports/clock.js';
import type { Deployments, HostedProjects, HostedVariables } from '../../ports/hosting.js';
import { callRest, checkApiUrl, checkToken, type RestCall } from '../rest.js';
import { type RetryPolicy, withRetry } from '../retry.js';
import {
  createdSchema,
  deploymentSchema,
  parse,
  parseDeployments,
  parseDomains,
  parseNames,
  parseValue,
  parseVariables,
  redeployBody,
  refusalError,
  refusedError,
  unavailableError,
} from './answers.js';

interface VercelOptions {
  /** `VERCEL_API_URL`: https://api.vercel.com. */
  readonly url: string;
  readonly token: string;
  /** Id of the team that the projects belong to; null for those of the token's own account. */
  readonly team: string | null;
  readonly clock: Clock;
  /** Default: four attempts within half a minute. */
  readonly retry?: RetryPolicy;
  /** For one request with its answer. Default 20 s. */
  readonly timeoutMs?: number;
}

const RETRY: RetryPolicy = { attempts: 4, baseMs: 500, capMs: 30_000 };
const TIMEOUT_MS = 20_000;
/** Most projects, teams or domains in one answer. */
const MAX_NAMES = '100';
/** How many of the newest deployments are searched for a marker. */
const RECENT_DEPLOYMENTS = 20;

type Query = Readonly<Record<string, string>>;

/**
 * Variables and deployments of Vercel projects over Vercel's REST API, by plain requests. A request is sent again after a
 * transient failure. Before a request for a new deployment is repeated, the deployment is searched for by its marker.
 * Sensitive variables are written and never read: Vercel does not return their values.
 * Source: vercel.com/docs/rest-api (projects, deployments, errors), and the vendor's @vercel/sdk for the shapes.
 */
export function vercelRest(options: VercelOptions): {
  variables: HostedVariables;
  deployments: Deployments;
  projects: HostedProjects;
} {
  const { clock, retry = RETRY } = options;
  const call = openCall(options);
  const callWithRetry = <T>(work: () => Promise<T>): Promise<T> => withRetry(clock, work, retry);
  const get = (path: string, query: Query = {}): Promise<unknown> => callWithRetry(() => call('GET', path, query));

  const variables: HostedVariables = {
    async list(project) {
      return parseVariables(await get(`/v10/projects/${segment(project)}/env`));
    },
    async read(project, id) {
      return parseValue(await get(`/v1/projects/${segment(project)}/env/${segment(id)}`));
    },
    async write(project, id, value, { comment } = {}) {
      const body = comment === undefined ? { value } : { value, comment };
      await callWithRetry(() => call('PATCH', `/v9/projects/${segment(project)}/env/${segment(id)}`, {}, body));
    },
    async create(project, name, value, { sensitive = false, comment } = {}) {
      const type = sensitive ? 'sensitive' : 'encrypted';
      const body = { key: name, value, type, target: ['production'], ...(comment === undefined ? {} : { comment }) };
      const path = `/v10/projects/${segment(project)}/env`;
      const answer = await callWithRetry(() => call('POST', path, { upsert: 'true' }, body));
      if (parse(createdSchema, answer).failed.length > 0) throw refusedError(`did not make the variable ${name}`);
    },
    async remove(project, id) {
      await callWithRetry(() =>
        call('DELETE', `/v9/projects/${segment(project)}/env/${segment(id)}`, {}, undefined, [404]),
      );
    },
  };

  const listProduction = async (project: string, more: Query) =>
    parseDeployments(await call('GET', '/v6/deployments', { projectId: project, target: 'production', ...more }));

  const findMarked = async (project: string, marker: string) =>
    (await listProduction(project, { limit: String(RECENT_DEPLOYMENTS) })).find((one) => one.marker === marker)
      ?.deployment ?? null;

  const deployments: Deployments = {
    async newest(project) {
      return callWithRetry(
        async () => (await listProduction(project, { state: 'READY', limit: '1' }))[0]?.deployment ?? null,
      );
    },
    findByMarker: (project, marker) => callWithRetry(() => findMarked(project, marker)),
    async redeploy(project, from, marker) {
      const body = redeployBody(from, marker);
      return callWithRetry(async () => {
        const begun = await findMarked(project, marker);
        if (begun !== null) return begun;
        return parse(deploymentSchema, await call('POST', '/v13/deployments', { forceNew: '1' }, body));
      });
    },
    async state(id) {
      return parse(deploymentSchema, await get(`/v13/deployments/${segment(id)}`)).state;
    },
    async cancel(id) {
      await callWithRetry(() => call('PATCH', `/v12/deployments/${segment(id)}/cancel`));
    },
  };

  const projects: HostedProjects = {
    async teams() {
      const alone = openCall({ ...options, team: null });
      return parseNames('teams', await callWithRetry(() => alone('GET', '/v2/teams', { limit: MAX_NAMES })));
    },
    async list() {
      return parseNames('projects', await get('/v10/projects', { limit: MAX_NAMES }));
    },
    async domains(project) {
      const query = { listProduction: 'true', limit: MAX_NAMES };
      return parseDomains(await get(`/v9/projects/${segment(project)}/domains`, query));
    },
  };
  return { variables, deployments, projects };
}

/** `accepts`: statuses besides 2xx that are not failures. */
function openCall(options: VercelOptions) {
  const base = checkApiUrl(options.url, 'VERCEL_API_URL');
  const authorization = `Bearer ${checkToken(options.token, 'VERCEL_API_TOKEN')}`;
  const { clock, team, timeoutMs = TIMEOUT_MS } = options;

  return async (
    method: RestCall['method'],
    path: string,
    query: Query = {},
    body?: unknown,
    accepts: readonly number[] = [],
  ): Promise<unknown> => {
    const search = new URLSearchParams({ ...query, ...(team === null ? {} : { teamId: team }) }).toString();
    const url = `${base}${path}${search === '' ? '' : `?${search}`}`;
    const answer = await callRest({ method, url, headers: { authorization }, body }, timeoutMs, (why, cause) =>
      unavailableError(`Vercel ${why}`, cause),
    );
    const isGood = (answer.status >= 200 && answer.status < 300) || accepts.includes(answer.status);
    if (!isGood) throw refusalError(answer, clock.now());
    return answer.json;
  };
}

/** One path segment; `.` and `..` would mean folders, and name no project. */
function segment(text: string): string {
  if (text === '' || text === '.' || text === '..') throw refusedError('knows no project of this name');
  return encodeURIComponent(text);
}
