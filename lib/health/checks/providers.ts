import { toAppError } from '../../errors.js';
import { PROVIDERS, type Provider, type ProviderReport, type ProviderStatus } from '../../ports/provider-status.js';
import { ok, warn, type CheckGroup, type Observation } from '../doctor.js';

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
  return queried.map((provider) => [
    {
      name: `status-${provider}`,
      run: () => {
        answers ??= queryAll();
        return answers.get(provider) ?? observe(status, provider, region);
      },
    },
  ]);
}

async function observe(status: ProviderStatus, provider: Provider, region: string | null): Promise<Observation> {
  try {
    return evaluateReport(provider, await status.read(provider, region));
  } catch (error) {
    const detail = `status unknown: ${toAppError(error).message}`;
    return { status: 'skipped', detail, hint: null };
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
