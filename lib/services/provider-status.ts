import { z } from 'zod';
import { AppError } from '../errors.js';
import { type Provider, type ProviderReport, PROVIDERS, type ProviderStatus } from '../ports/provider-status.js';
import { readBytes } from './rest.js';

/** Parses a page; null when the page has another form. */
type PageReader = (bytes: Uint8Array, region: string | null) => ProviderReport | null;

const SUMMARY_LENGTH = 160;
const OPERATIONAL: ProviderReport = { state: 'operational', summary: 'nothing is reported' };

const STATES = {
  none: 'operational',
  maintenance: 'maintenance',
  minor: 'degraded',
  major: 'outage',
  critical: 'outage',
} as const;

const statuspageSchema = z.object({
  status: z.object({
    indicator: z.enum(Object.keys(STATES) as (keyof typeof STATES)[]),
    description: z.string().default(''),
  }),
});

/** Atlassian Statuspage, `/api/v2/status.json`. Source: metastatuspage.com/api */
const readStatuspage: PageReader = (bytes) => {
  const page = statuspageSchema.safeParse(parsePage(bytes));
  if (!page.success) return null;
  const { indicator, description } = page.data.status;
  return { state: STATES[indicator], summary: toPrintable(description) };
};

const awsSchema = z.array(
  z.object({ service: z.string(), status: z.union([z.string(), z.number()]), summary: z.string().default('') }),
);

/** Each region has a service for S3 and one for events in several services; S3's oldest region has a second name. */
function matchAwsServices(region: string | null): (service: string) => boolean {
  if (region === null) return (service) => service.startsWith('s3-');
  const names = [`s3-${region}`, `multipleservices-${region}`, ...(region === 'us-east-1' ? ['s3-us-standard'] : [])];
  return (service) => names.includes(service);
}

/** Current events of AWS: status 0 is resolved, 1 an event, 2 a degradation, 3 a disruption. */
const readAws: PageReader = (bytes, region) => {
  const events = awsSchema.safeParse(parsePage(bytes));
  if (!events.success) return null;
  const isOurs = matchAwsServices(region);
  const open = events.data.filter(({ service, status }) => isOurs(service) && String(status) !== '0');
  const [first] = open;
  if (first === undefined) return OPERATIONAL;
  const state = open.some(({ status }) => String(status) === '3') ? 'outage' : 'degraded';
  return { state, summary: toPrintable(`${first.service}: ${first.summary}`) };
};

const googleSchema = z.array(
  z.object({
    end: z.string().nullish(),
    service_name: z.string().default(''),
    affected_products: z.array(z.object({ title: z.string().default('') })).default([]),
    external_desc: z.string().default(''),
    status_impact: z.string().default(''),
  }),
);

/** Incidents of Google Cloud in recent months. Source: status.cloud.google.com/incidents.schema.json */
const readGoogle: PageReader = (bytes) => {
  const incidents = googleSchema.safeParse(parsePage(bytes));
  if (!incidents.success) return null;
  const open = incidents.data.filter(({ end, service_name, affected_products }) => {
    const products = [service_name, ...affected_products.map(({ title }) => title)];
    return (end ?? '') === '' && products.some((product) => /gemini|generative/i.test(product));
  });
  const [first] = open;
  if (first === undefined) return OPERATIONAL;
  const state = open.some(({ status_impact }) => status_impact === 'SERVICE_OUTAGE') ? 'outage' : 'degraded';
  return { state, summary: toPrintable(first.external_desc) };
};

/** UTF-8, or UTF-16 by its byte order mark, which fetch ignores. */
function parsePage(bytes: Uint8Array): unknown {
  const [first, second] = bytes;
  const encoding =
    first === 0xfe && second === 0xff ? 'utf-16be' : first === 0xff && second === 0xfe ? 'utf-16le' : 'utf-8';
  try {
    return JSON.parse(new TextDecoder(encoding, { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** A provider's text, made safe for a terminal. */
function toPrintable(text: string): string {
  const line = text.replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  if (line === '') return 'no more is said';
  return line.length > SUMMARY_LENGTH ? `${line.slice(0, SUMMARY_LENGTH)}...` : line;
}

interface ProviderStatusOptions {
  /** `provider=URL`, or `provider=off`; `off` alone turns all off. Providers that are not named keep their addresses. */
  readonly addresses: readonly string[];
  /** For one page. Default 4 s. */
  readonly timeoutMs?: number;
}

interface StatusPage {
  readonly url: string;
  readonly read: PageReader;
}

const TIMEOUT_MS = 4_000;
/** Google's list of incidents has some hundred kilobytes. */
const MAX_BYTES = 8 * 1024 * 1024;

/**
 * Upstash, Vercel and GitHub have pages at Atlassian Statuspage. AWS publishes current events (the feed of
 * health.aws.amazon.com, UTF-16). Google publishes incidents of Google Cloud, of which those of Gemini are used; the page
 * of AI Studio has no machine-readable form.
 */
const PAGES: Readonly<Record<Provider, StatusPage>> = {
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
      if (url === null) throw unreadableError(provider, 'is turned off in PROVIDER_STATUS_URLS');
      const report = PAGES[provider].read(await fetchPage(provider, url, timeoutMs), region);
      if (report === null) throw unreadableError(provider, 'answered with something that cannot be read');
      return report;
    },
  };
}

async function fetchPage(provider: Provider, url: string, timeoutMs: number): Promise<Uint8Array> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, { signal, headers: { accept: 'application/json' } });
    if (!response.ok) throw unreadableError(provider, `answered HTTP ${response.status}`);
    const bytes = await readBytes(response, MAX_BYTES + 1);
    if (bytes.length > MAX_BYTES) throw unreadableError(provider, 'answered with too much');
    return bytes;
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    if (signal.aborted) throw unreadableError(provider, `did not answer within ${timeoutMs} ms`);
    throw unreadableError(provider, 'cannot be reached', cause);
  }
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

function unreadableError(provider: Provider, why: string, cause?: unknown): AppError {
  return new AppError('provider-unreadable', `The status page of ${provider} ${why}`, {
    hint: 'This says nothing about the service itself: open its status page in a browser.',
    cause,
  });
}
