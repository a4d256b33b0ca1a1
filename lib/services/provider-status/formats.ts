import { z } from 'zod';
import type { ProviderReport } from '../../ports/provider-status.js';

/** What a page says; null when it is not of the form. */
export type Reader = (bytes: Uint8Array, region: string | null) => ProviderReport | null;

const SUMMARY_LENGTH = 160;
const ALL_WELL: ProviderReport = { state: 'operational', summary: 'nothing is reported' };

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
export const readStatuspage: Reader = (bytes) => {
  const page = statuspageSchema.safeParse(parse(bytes));
  if (!page.success) return null;
  const { indicator, description } = page.data.status;
  return { state: STATES[indicator], summary: printable(description) };
};

const awsSchema = z.array(
  z.object({ service: z.string(), status: z.union([z.string(), z.number()]), summary: z.string().default('') }),
);

/** By region there is a service of S3 and one for what meets several; S3's oldest region has its own name, too. */
function awsServices(region: string | null): (service: string) => boolean {
  if (region === null) return (service) => service.startsWith('s3-');
  const names = [`s3-${region}`, `multipleservices-${region}`, ...(region === 'us-east-1' ? ['s3-us-standard'] : [])];
  return (service) => names.includes(service);
}

/** Events of AWS now: status 0 is over, 1 an event, 2 a degradation, 3 a disruption. */
export const readAws: Reader = (bytes, region) => {
  const events = awsSchema.safeParse(parse(bytes));
  if (!events.success) return null;
  const ours = awsServices(region);
  const open = events.data.filter(({ service, status }) => ours(service) && String(status) !== '0');
  const [first] = open;
  if (first === undefined) return ALL_WELL;
  const state = open.some(({ status }) => String(status) === '3') ? 'outage' : 'degraded';
  return { state, summary: printable(`${first.service}: ${first.summary}`) };
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

/** Incidents of Google Cloud, the latest months of them. Source: status.cloud.google.com/incidents.schema.json */
export const readGoogle: Reader = (bytes) => {
  const incidents = googleSchema.safeParse(parse(bytes));
  if (!incidents.success) return null;
  const open = incidents.data.filter(({ end, service_name, affected_products }) => {
    const products = [service_name, ...affected_products.map(({ title }) => title)];
    return (end ?? '') === '' && products.some((product) => /gemini|generative/i.test(product));
  });
  const [first] = open;
  if (first === undefined) return ALL_WELL;
  const state = open.some(({ status_impact }) => status_impact === 'SERVICE_OUTAGE') ? 'outage' : 'degraded';
  return { state, summary: printable(first.external_desc) };
};

/** UTF-8, or UTF-16 by its byte order mark, which fetch would not look at. */
function parse(bytes: Uint8Array): unknown {
  const [first, second] = bytes;
  const encoding =
    first === 0xfe && second === 0xff ? 'utf-16be' : first === 0xff && second === 0xfe ? 'utf-16le' : 'utf-8';
  try {
    return JSON.parse(new TextDecoder(encoding, { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** Others' words, as a terminal may show them. */
function printable(text: string): string {
  const line = text.replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  if (line === '') return 'no more is said';
  return line.length > SUMMARY_LENGTH ? `${line.slice(0, SUMMARY_LENGTH)}...` : line;
}
