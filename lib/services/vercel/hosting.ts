import type { Clock } from '../../ports/clock.js';
import type { Deployments, HostedProjects, HostedVariables } from '../../ports/hosting.js';
import {
  createdSchema,
  deploymentSchema,
  deploymentsOf,
  domainsOf,
  namesOf,
  newDeployment,
  valueOf,
  variablesOf,
} from './answers.js';
import { foreign, refusalOf, refused, unavailable } from './failures.js';
import { apiUrl, callRest, headerSafe, type RestCall } from '../rest.js';
import { withRetry, type RetryPolicy } from '../retry.js';

interface VercelOptions {
  /** `VERCEL_API_URL`: https://api.vercel.com. */
  readonly url: string;
  readonly token: string;
  /** Id of the team that the projects belong to; null for those of the token's own account. */
  readonly team: string | null;
  readonly clock: Clock;
  /** Default: four tries within half a minute. */
  readonly retry?: RetryPolicy;
  /** For one request with its answer. Default 20 s. */
  readonly timeoutMs?: number;
}

const RETRY: RetryPolicy = { attempts: 4, baseMs: 500, capMs: 30_000 };
const TIMEOUT_MS = 20_000;
/** Most projects, teams or domains that one answer holds. */
const MOST_NAMES = '100';
/** The deployments among which one that was just begun is looked for. */
const RECENT = 20;

type Query = Readonly<Record<string, string>>;

/**
 * Variables and deployments of Vercel projects over Vercel's REST API, by plain requests. A request that failed in a
 * transient way is sent again; all of them may be, but the one that begins a deployment: before that is sent again, it
 * is looked for by its mark. Sensitive variables are written and never read: Vercel gives their value to nobody.
 * Source: vercel.com/docs/rest-api (projects, deployments, errors), and the vendor's @vercel/sdk for the shapes.
 */
export function vercelRest(options: VercelOptions): {
  variables: HostedVariables;
  deployments: Deployments;
  projects: HostedProjects;
} {
  const { clock, retry = RETRY } = options;
  const call = vercelCall(options);
  const again = <T>(work: () => Promise<T>): Promise<T> => withRetry(clock, work, retry);
  const get = (path: string, query: Query = {}): Promise<unknown> => again(() => call('GET', path, query));

  const variables: HostedVariables = {
    async list(project) {
      return variablesOf(await get(`/v10/projects/${segment(project)}/env`));
    },
    async read(project, id) {
      return valueOf(await get(`/v1/projects/${segment(project)}/env/${segment(id)}`));
    },
    async write(project, id, value, { comment } = {}) {
      const body = comment === undefined ? { value } : { value, comment };
      await again(() => call('PATCH', `/v9/projects/${segment(project)}/env/${segment(id)}`, {}, body));
    },
    async create(project, name, value, { sensitive = false, comment } = {}) {
      const type = sensitive ? 'sensitive' : 'encrypted';
      const body = { key: name, value, type, target: ['production'], ...(comment === undefined ? {} : { comment }) };
      const path = `/v10/projects/${segment(project)}/env`;
      const answer = createdSchema.safeParse(await again(() => call('POST', path, { upsert: 'true' }, body)));
      if (!answer.success) throw foreign();
      if (answer.data.failed.length > 0) throw refused(`did not make the variable ${name}`);
    },
    async remove(project, id) {
      await again(() => call('DELETE', `/v9/projects/${segment(project)}/env/${segment(id)}`, {}, undefined, [404]));
    },
  };

  const production = async (project: string, more: Query) =>
    deploymentsOf(await call('GET', '/v6/deployments', { projectId: project, target: 'production', ...more }));

  const marked = async (project: string, marker: string) =>
    (await production(project, { limit: String(RECENT) })).find((one) => one.marker === marker)?.deployment ?? null;

  const deployments: Deployments = {
    async newest(project) {
      return again(async () => (await production(project, { state: 'READY', limit: '1' }))[0]?.deployment ?? null);
    },
    findByMarker: (project, marker) => again(() => marked(project, marker)),
    async redeploy(project, from, marker) {
      const body = newDeployment(from, marker);
      return again(async () => {
        const begun = await marked(project, marker);
        if (begun !== null) return begun;
        const answer = deploymentSchema.safeParse(await call('POST', '/v13/deployments', { forceNew: '1' }, body));
        if (!answer.success) throw foreign();
        return answer.data;
      });
    },
    async state(id) {
      const answer = deploymentSchema.safeParse(await get(`/v13/deployments/${segment(id)}`));
      if (!answer.success) throw foreign();
      return answer.data.state;
    },
    async cancel(id) {
      await again(() => call('PATCH', `/v12/deployments/${segment(id)}/cancel`));
    },
  };

  const projects: HostedProjects = {
    async teams() {
      const alone = vercelCall({ ...options, team: null });
      return namesOf('teams', await again(() => alone('GET', '/v2/teams', { limit: MOST_NAMES })));
    },
    async list() {
      return namesOf('projects', await get('/v10/projects', { limit: MOST_NAMES }));
    },
    async domains(project) {
      const query = { production: 'true', limit: MOST_NAMES };
      return domainsOf(await get(`/v9/projects/${segment(project)}/domains`, query));
    },
  };
  return { variables, deployments, projects };
}

/** `accepts` are statuses besides 2xx that are no failure. */
function vercelCall(options: VercelOptions) {
  const base = apiUrl(options.url, 'VERCEL_API_URL');
  const authorization = `Bearer ${headerSafe(options.token, 'VERCEL_API_TOKEN')}`;
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
      unavailable(`Vercel ${why}`, { cause }),
    );
    const isGood = (answer.status >= 200 && answer.status < 300) || accepts.includes(answer.status);
    if (!isGood) throw refusalOf(answer, clock.now());
    return answer.json;
  };
}

/** One segment of a path; `.` and `..` would be taken for folders, and name no project. */
function segment(text: string): string {
  if (text === '' || text === '.' || text === '..') throw refused('knows no project of this name');
  return encodeURIComponent(text);
}
