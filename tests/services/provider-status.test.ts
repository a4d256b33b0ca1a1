import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { serveHttp, type HttpServer } from '../../dev/stand-in-server.js';
import fc from '../support/fast-check.js';
import { providerStatus } from '../../lib/services/provider-status.js';
import { PROVIDERS, type Provider, type ProviderReport } from '../../lib/ports/provider-status.js';

interface Page {
  readonly status?: number;
  readonly body: string | Buffer;
}

let server: HttpServer;
let url = '';
let page: Page | 'hang' = { body: '' };
beforeAll(async () => {
  server = await serveHttp((_request, response) => {
    if (page === 'hang') return;
    response.writeHead(page.status ?? 200).end(page.body);
  });
  url = `${server.url}/status`;
});
afterAll(() => server.stop());

function read(provider: Provider, given: Page | 'hang', region: string | null = null): Promise<ProviderReport> {
  page = given;
  return providerStatus({ addresses: [`${provider}=${url}`], timeoutMs: given === 'hang' ? 200 : 30_000 }).read(
    provider,
    region,
  );
}

const json = (value: unknown): Page => ({ body: JSON.stringify(value) });
const statuspage = (indicator: string, description = 'words'): Page => json({ status: { indicator, description } });

function utf16(value: unknown, order: 'be' | 'le'): Page {
  const bytes = Buffer.from(`\ufeff${JSON.stringify(value)}`, 'utf16le');
  return { body: order === 'le' ? bytes : bytes.swap16() };
}

describe('the page of a provider', () => {
  it.each([
    ['none', 'operational'],
    ['maintenance', 'maintenance'],
    ['minor', 'degraded'],
    ['major', 'outage'],
    ['critical', 'outage'],
  ])('at Statuspage: %s is %s', async (indicator, state) => {
    for (const provider of ['upstash', 'vercel', 'github'] as const)
      expect(await read(provider, statuspage(indicator))).toEqual({ state, summary: 'words' });
  });

  const event = (service: string, status: string | number, summary = 'Increased errors') => ({
    service,
    status,
    summary,
  });
  it.each<[string, object[], string | null, string]>([
    ['nothing', [], 'eu-west-1', 'operational'],
    ['another region', [event('s3-us-east-2', '3')], 'eu-west-1', 'operational'],
    ['another service', [event('ec2-eu-west-1', '3')], 'eu-west-1', 'operational'],
    ['what is over', [event('s3-eu-west-1', '0')], 'eu-west-1', 'operational'],
    ['a degradation', [event('ec2-eu-west-1', '3'), event('s3-eu-west-1', '2')], 'eu-west-1', 'degraded'],
    ['a disruption', [event('s3-eu-west-1', 1), event('s3-eu-west-1', 3)], 'eu-west-1', 'outage'],
    ['several services', [event('multipleservices-us-east-1', '3')], 'us-east-1', 'outage'],
    ['the oldest region', [event('s3-us-standard', '1')], 'us-east-1', 'degraded'],
    ['any region, where ours is not known', [event('s3-sa-east-1', '1')], null, 'degraded'],
  ])('of AWS: %s', async (_what, events, region, state) => {
    for (const given of [json(events), utf16(events, 'be'), utf16(events, 'le')])
      expect((await read('aws', given, region)).state).toBe(state);
  });

  const incident = { end: null, service_name: '', external_desc: 'Errors', status_impact: 'SERVICE_DISRUPTION' };
  it.each<[string, object[], string]>([
    ['nothing', [], 'operational'],
    ['another product', [{ ...incident, service_name: 'Cloud SQL' }], 'operational'],
    ['what is over', [{ ...incident, service_name: 'Vertex Gemini API', end: '2026-11-20T00:00:00Z' }], 'operational'],
    ['a disruption', [{ ...incident, affected_products: [{ title: 'Vertex Gemini API' }] }], 'degraded'],
    ['an outage', [{ ...incident, service_name: 'Gemini', status_impact: 'SERVICE_OUTAGE' }], 'outage'],
  ])('of Google: %s', async (_what, incidents, state) => {
    expect((await read('google', json(incidents))).state).toBe(state);
  });

  it('is reported in one printable line', async () => {
    const { summary } = await read('vercel', statuspage('minor', `a\u001b[31m\n\u202eb ${'x'.repeat(500)}`));
    expect(summary).toMatch(/^a \[31m b x{100,}\.\.\.$/);
    expect((await read('vercel', statuspage('minor', ''))).summary).not.toBe('');
  });
});

describe('a page that cannot be read', () => {
  const unreadable = { code: 'provider-unreadable' };
  it.each<[string, Page | 'hang']>([
    ['does not answer', 'hang'],
    ['is not there', { status: 404, body: '{"status":{"indicator":"none"}}' }],
    ['is down itself', { status: 503, body: '' }],
    ['is no JSON', { body: '<html>' }],
    ['has another word', statuspage('purple')],
    ['is empty', { body: '' }],
    ['is too much', { body: Buffer.alloc(9 * 1024 * 1024, 32) }],
  ])('%s', async (_what, given) => {
    await expect(read('upstash', given)).rejects.toMatchObject(unreadable);
  });

  it('is never reported as operational', async () => {
    const value = fc.oneof(fc.jsonValue(), fc.record({ status: fc.jsonValue() }));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...PROVIDERS), value, async (provider, held) => {
        // An empty list of events or incidents is a page like any other.
        fc.pre(!(Array.isArray(held) && (held.length === 0 || provider === 'google')));
        await expect(read(provider, json(held))).rejects.toMatchObject(unreadable);
      }),
      { numRuns: 60 },
    );
  });

  it('includes one that no host serves', async () => {
    const status = providerStatus({ addresses: ['github=http://127.0.0.1:1/'] });
    await expect(status.read('github', null)).rejects.toMatchObject(unreadable);
  });
});

describe('the addresses', () => {
  it('are those of the vendors unless others are given; one or all may be turned off', () => {
    const status = providerStatus({ addresses: ['vercel=off', `github=${url}`] });
    expect([status.address('vercel'), status.address('github')]).toEqual([null, url]);
    expect(status.address('upstash')).toBe('https://status.upstash.com/api/v2/status.json');
    expect(PROVIDERS.map((provider) => providerStatus({ addresses: ['off'] }).address(provider))).toEqual(
      PROVIDERS.map(() => null),
    );
  });

  it.each(['vercel', 'vercel=', 'vercel=ftp://x', 'other=https://x', '=https://x', 'on'])('cannot be %s', (text) => {
    expect(() => providerStatus({ addresses: [text] })).toThrow(expect.objectContaining({ code: 'config' }));
  });
});
