import { toAppError } from '../../errors.js';
import { PROVIDERS, type Provider, type ProviderReport, type ProviderStatus } from '../../ports/provider-status.js';
import { ok, warn, type CheckGroup, type Observation } from '../doctor.js';

interface ProviderQuestion {
  readonly status: ProviderStatus;
  /** Providers that are used here. */
  readonly used: ReadonlySet<Provider>;
  /** Of the S3 bucket; null where it is not known. */
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
 * What the providers say of themselves. A disturbance is a warning: it explains what fails elsewhere, and is nobody's
 * mistake here. A page that cannot be read says nothing, so that it is skipped.
 */
export function providerChecks({ status, used, region }: ProviderQuestion): CheckGroup[] {
  const asked = PROVIDERS.filter((provider) => used.has(provider) && status.address(provider) !== null);
  let answers: ReadonlyMap<Provider, Promise<Observation>> | null = null;
  // All at once, with the first run: each may take its time limit.
  const askAll = (): ReadonlyMap<Provider, Promise<Observation>> =>
    new Map(asked.map((provider) => [provider, observe(status, provider, region)]));
  return asked.map((provider) => [
    {
      name: `status-${provider}`,
      run: () => {
        answers ??= askAll();
        return answers.get(provider) ?? observe(status, provider, region);
      },
    },
  ]);
}

async function observe(status: ProviderStatus, provider: Provider, region: string | null): Promise<Observation> {
  try {
    return evaluate(provider, await status.read(provider, region));
  } catch (error) {
    const detail = `cannot tell: ${toAppError(error).message}`;
    return { status: 'skipped', detail, hint: null };
  }
}

function evaluate(provider: Provider, { state, summary }: ProviderReport): Observation {
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
