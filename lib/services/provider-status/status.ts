import { AppError } from '../../errors.js';
import { PROVIDERS, type Provider, type ProviderReport, type ProviderStatus } from '../../ports/provider-status.js';
import { readAws, readGoogle, readStatuspage, type Reader } from './formats.js';

interface ProviderStatusOptions {
  /** `provider=URL`, or `provider=off`; `off` alone turns all off. What is not named keeps its address. */
  readonly addresses: readonly string[];
  /** For one page. Default 4 s. */
  readonly timeoutMs?: number;
}

interface Page {
  readonly url: string;
  readonly read: Reader;
}

const TIMEOUT_MS = 4_000;
/** Google's list of incidents has some hundred kilobytes. */
const MAX_BYTES = 8 * 1024 * 1024;

/**
 * Upstash, Vercel and GitHub have pages at Atlassian Statuspage. AWS lists current events for all to read (the feed of
 * health.aws.amazon.com, UTF-16). Google has incidents of Google Cloud, of which Gemini's are taken; the page of AI
 * Studio itself has no form for programs.
 */
const PAGES: Readonly<Record<Provider, Page>> = {
  upstash: { url: 'https://status.upstash.com/api/v2/status.json', read: readStatuspage },
  vercel: { url: 'https://www.vercel-status.com/api/v2/status.json', read: readStatuspage },
  github: { url: 'https://www.githubstatus.com/api/v2/status.json', read: readStatuspage },
  aws: { url: 'https://health.aws.amazon.com/public/currentevents', read: readAws },
  google: { url: 'https://status.cloud.google.com/incidents.json', read: readGoogle },
};

/** Reads the providers' own status pages, one request each, without retries. Throws `config` for a malformed address. */
export function providerStatus({ addresses, timeoutMs = TIMEOUT_MS }: ProviderStatusOptions): ProviderStatus {
  const given = new Map(addresses.flatMap(parseAddress));
  const address = (provider: Provider): string | null => {
    const url = given.get(provider);
    return url === undefined ? PAGES[provider].url : url;
  };
  return {
    address,
    async read(provider, region): Promise<ProviderReport> {
      const url = address(provider);
      if (url === null) throw unreadable(provider, 'is not to be asked');
      const report = PAGES[provider].read(await get(provider, url, timeoutMs), region);
      if (report === null) throw unreadable(provider, 'answered with something that cannot be read');
      return report;
    },
  };
}

async function get(provider: Provider, url: string, timeoutMs: number): Promise<Uint8Array> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, { signal, headers: { accept: 'application/json' } });
    if (!response.ok) throw unreadable(provider, `answered HTTP ${response.status}`);
    return await readBytes(provider, response);
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    if (signal.aborted) throw unreadable(provider, `did not answer within ${timeoutMs} ms`);
    throw unreadable(provider, 'cannot be reached', cause);
  }
}

async function readBytes(provider: Provider, response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    // Leaving the loop cancels the rest.
    if (size > MAX_BYTES) throw unreadable(provider, 'answered with too much');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseAddress(text: string): [Provider, string | null][] {
  if (text === 'off') return PROVIDERS.map((provider) => [provider, null]);
  const at = text.indexOf('=');
  const provider = PROVIDERS.find((name) => name === text.slice(0, Math.max(at, 0)));
  const target = text.slice(at + 1);
  const isHttp = URL.canParse(target) && /^https?:$/.test(new URL(target).protocol);
  if (provider !== undefined && (target === 'off' || isHttp)) return [[provider, target === 'off' ? null : target]];
  throw new AppError('config', 'PROVIDER_STATUS_URLS is not a list of provider=URL', {
    hint: `Give provider=URL or provider=off, separated by commas, or off alone; providers are ${PROVIDERS.join(', ')}.`,
  });
}

function unreadable(provider: Provider, why: string, cause?: unknown): AppError {
  return new AppError('provider-unreadable', `The status page of ${provider} ${why}`, {
    hint: 'This tells nothing of the service itself: look at its page with a browser.',
    cause,
  });
}
