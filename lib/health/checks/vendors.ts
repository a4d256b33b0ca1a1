import type { HostedProjects, HostedVariables } from '../../ports/hosting.js';
import type { UpstashAccount } from '../../ports/upstash-account.js';
import { groupOf, fail, ok, skipped, warn, type CheckGroup, type Observation } from '../doctor.js';
import { toAppError } from '../../errors.js';
import { PROVIDERS, type Provider, type ProviderReport, type ProviderStatus } from '../../ports/provider-status.js';

interface Hosting {
  readonly projects: HostedProjects;
  readonly variables: HostedVariables;
}

/** Checks the token of Vercel's API and each project named in `named`. `open` may throw `config`. */
export function hostingChecks(open: () => Hosting, named: Readonly<Record<string, string>>): CheckGroup {
  return [
    {
      name: 'vercel',
      run: async () => {
        const found = await open().projects.list();
        if (found.length > 0) return ok(`the token is accepted and has access to ${found.length} projects`);
        return warn(
          'the token is accepted, but has access to no project',
          'Set VERCEL_TEAM_ID to the team of the projects, or leave it out for a personal account.',
        );
      },
    },
    ...Object.entries(named).map(([variable, project]) => ({
      name: `vercel-${variable.replace(/^SOULCASTER_|_PROJECT$/g, '').toLowerCase()}`,
      run: async () => {
        const { length } = await open().variables.list(project);
        return ok(`${project} (${variable}) is accessible and has ${length} variables in production`);
      },
    })),
  ];
}

/** Checks the account's key, and that UPSTASH_REDIS_ID is the database that is backed up at `protectedHost`. */
export function accountChecks(
  open: () => UpstashAccount,
  database: () => string,
  protectedHost: string | null,
): CheckGroup {
  return groupOf('upstash-account', async () => {
    const { host, name, state } = await open().database(database());
    if (protectedHost !== null && host !== protectedHost) {
      return fail(
        `UPSTASH_REDIS_ID is the database ${name} (${host}), but ${protectedHost} is backed up`,
        'Set UPSTASH_REDIS_ID to the id of the database of UPSTASH_REDIS_REST_URL (Upstash console, the database, Details).',
      );
    }
    if (state === 'active') return ok(`the key is accepted, and ${name} is active`);
    return fail(`the database ${name} is ${state}`, 'Check the database in the Upstash console.');
  });
}

interface ProviderQuery {
  readonly status: ProviderStatus;
  /** Providers that are used here. */
  readonly used: ReadonlySet<Provider>;
  /** Region of the S3 bucket; null if unknown. */
  readonly region: string | null;
}

const PAGES: Readonly<Record<Provider, string>> = {
  upstash: 'https://status.upstash.com',
  vercel: 'https://www.vercel-status.com',
  github: 'https://www.githubstatus.com',
  aws: 'https://health.aws.amazon.com/health/status',
  google: 'https://aistudio.google.com/status',
};

/**
 * Checks the providers' status pages. A disturbance is only a warning: it explains failures elsewhere and is no fault of this
 * configuration. A page that cannot be read is skipped.
 */
export function providerChecks({ status, used, region }: ProviderQuery): CheckGroup[] {
  const queried = PROVIDERS.filter((provider) => used.has(provider) && status.address(provider) !== null);
  let answers: ReadonlyMap<Provider, Promise<Observation>> | null = null;
  // The first check queries all pages at once: each may take its whole time limit.
  const queryAll = (): ReadonlyMap<Provider, Promise<Observation>> =>
    new Map(queried.map((provider) => [provider, observe(status, provider, region)]));
  return queried.map((provider) =>
    groupOf(`status-${provider}`, () => {
      answers ??= queryAll();
      return answers.get(provider) ?? observe(status, provider, region);
    }),
  );
}

async function observe(status: ProviderStatus, provider: Provider, region: string | null): Promise<Observation> {
  try {
    return evaluateReport(provider, await status.read(provider, region));
  } catch (error) {
    return skipped(`status unknown: ${toAppError(error).message}`);
  }
}

function evaluateReport(provider: Provider, { state, summary }: ProviderReport): Observation {
  const hint = `See ${PAGES[provider]} before looking for the cause of a failure here.`;
  switch (state) {
    case 'operational':
      return ok(summary);
    case 'maintenance':
      return warn(`maintenance: ${summary}`, hint);
    case 'degraded':
      return warn(`disturbed: ${summary}`, hint);
    case 'outage':
      return warn(`down, at least in part: ${summary}`, hint);
  }
}
