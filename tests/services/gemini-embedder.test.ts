import { systemClock } from '../../lib/services/clock.js';
import { geminiEmbedder } from '../../lib/services/gemini/embedder.js';
import { environment } from '../../lib/app/config.js';
import { startGemini } from '../../dev/gemini/index.js';
import { embedderContract } from '../contracts/embedder.js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bodyOf, serveHttp, type HttpServer } from '../../dev/stand-in-server.js';
import fc from '../support/fast-check.js';
import { msUntilPacificMidnight } from '../../lib/services/gemini/failures.js';
import { AppError } from '../../lib/errors.js';
import { manualClock } from '../support/clocks.js';

embedderContract('Gemini adapter over the stand-in and its model', async () => {
  const standIn = await startGemini();
  return {
    embedder: geminiEmbedder({ apiKey: standIn.apiKey, baseUrl: `${standIn.url}/`, clock: systemClock() }),
    close: () => standIn.stop(),
  };
});

const apiKey = environment()['GEMINI_API_KEY'] ?? '';
if (apiKey !== '') {
  embedderContract('Gemini adapter over the real service', () =>
    Promise.resolve({
      embedder: geminiEmbedder({ apiKey, clock: systemClock() }),
      close: () => Promise.resolve(),
    }),
  );
}

const TYPE = 'type.googleapis.com/google.rpc.';

let server: HttpServer;
let reply: { status: number; body: string };
let asked: { url?: string; key?: unknown; body: string };

beforeAll(async () => {
  server = await serveHttp(async (request, response) => {
    const body = (await bodyOf(request)).toString();
    asked = { url: request.url ?? '', key: request.headers['x-goog-api-key'], body };
    response.writeHead(reply.status).end(reply.body);
  });
});
afterAll(() => server.stop());

async function answered(status: number, body: unknown): Promise<Float32Array[] | AppError> {
  reply = { status, body: typeof body === 'string' ? body : JSON.stringify(body) };
  const embedder = geminiEmbedder({
    apiKey: 'key',
    baseUrl: server.url,
    clock: manualClock(),
    retry: { attempts: 1, baseMs: 1, capMs: 1 },
  });
  return embedder.embed(['a text']).catch((error: unknown) => {
    if (error instanceof AppError) return error;
    throw error;
  });
}

const refused = (status: number, details: unknown, message = 'quoting a text') =>
  answered(status, { error: { code: status, message, status: 'WHATEVER', details } });

describe('the request', () => {
  it('sends the dimension, no task type, and the key only in a header', async () => {
    expect(await answered(200, { embeddings: [{ values: [1.5, -2] }] })).toEqual([Float32Array.of(1.5, -2)]);
    expect(asked).toMatchObject({ url: '/v1beta/models/gemini-embedding-001:batchEmbedContents', key: 'key' });
    expect(JSON.parse(asked.body)).toEqual({
      requests: [
        {
          model: 'models/gemini-embedding-001',
          content: { role: 'user', parts: [{ text: 'a text' }] },
          outputDimensionality: 768,
        },
      ],
    });
  });
});

describe('the details of a refusal', () => {
  const retryInfo = (retryDelay: unknown) => [{ '@type': `${TYPE}RetryInfo`, retryDelay }];

  it.each([
    ['17s', 17_000],
    ['17.4938s', 17_494],
    ['0s', 0],
    ['-5s', undefined],
    ['17', undefined],
    [17, undefined],
    [null, undefined],
  ])('a retryDelay of %j is %j ms', async (delay, retryAfterMs) => {
    expect(await refused(429, retryInfo(delay))).toMatchObject({ code: 'embedder-limit', retryAfterMs });
  });

  it.each([
    ['no list', 'text'],
    ['an empty list', []],
    ['entries that are none', [null, 5, 'x', []]],
    ['violations that are none', [{ '@type': `${TYPE}QuotaFailure`, violations: 'x' }]],
    ['a quota without a name', [{ '@type': `${TYPE}QuotaFailure`, violations: [{ quotaId: 7 }, null] }]],
    ['a quota of the minute', [{ '@type': `${TYPE}QuotaFailure`, violations: [{ quotaId: 'XPerMinutePerProject' }] }]],
  ])('%s: a rate limit', async (_, details) => {
    expect(await refused(429, details)).toMatchObject({ code: 'embedder-limit', transient: true });
  });

  it.each([
    ['of the day', [{ '@type': `${TYPE}QuotaFailure`, violations: [{ quotaId: 'XPerDay', quotaValue: '0' }] }], ''],
    ['of the minute', [{ '@type': `${TYPE}QuotaFailure`, violations: [{ quotaId: 'XPerMinute', quotaValue: 0 }] }], ''],
    ['in the older form', [{ '@type': `${TYPE}ErrorInfo`, metadata: { quota_limit_value: '0' } }], ''],
    ['in the text alone', [], 'Quota exceeded for metric: x_free_tier_requests, limit: 0, model: y'],
  ])('a quota of 0 is no limit that passes: %s', async (_, details, message) => {
    const error = await refused(429, [...retryInfo('3s'), ...details], message);
    expect(error).toMatchObject({ code: 'embedder-denied', transient: false, retryAfterMs: undefined });
    expect((error as AppError).hint).toContain('Enable billing');
  });

  it('a quota of the day counts among several, and in the older form', async () => {
    const violations = [{ quotaId: 'EmbedPerMinutePerProject' }, { quotaId: 'EmbedPerDayPerProject' }];
    const older = { '@type': `${TYPE}ErrorInfo`, metadata: { quota_limit: 'EmbedContentRequestsPerDayPerProject' } };
    expect(await refused(429, [...retryInfo('3s'), { '@type': `${TYPE}QuotaFailure`, violations }])).toMatchObject({
      code: 'embedder-quota',
      transient: false,
    });
    expect(await refused(429, [older])).toMatchObject({ code: 'embedder-quota' });
  });

  it.each([
    [400, [], 'User location is not supported for the API use.', 'embedder-denied'],
    [400, [{ '@type': `${TYPE}ErrorInfo`, reason: 'API_KEY_INVALID' }], 'API key expired.', 'embedder-denied'],
    [400, [], 'Request payload size exceeds the limit', 'embedder-refused'],
    [401, [], 'Unauthenticated', 'embedder-denied'],
    [413, [], 'Too large', 'embedder-refused'],
    [418, [], 'Other', 'embedder-unavailable'],
  ])('status %i with %j and %j', async (status, details, message, code) => {
    expect(await refused(status, details, message)).toMatchObject({ code });
  });

  it('a busy service may say when to retry', async () => {
    expect(await refused(503, retryInfo('2s'))).toMatchObject({ code: 'embedder-unavailable', retryAfterMs: 2_000 });
  });

  it('a page instead of an error', async () => {
    expect(await answered(502, '<html>')).toMatchObject({ code: 'embedder-unavailable', transient: true });
    expect(await answered(429, '<html>')).toMatchObject({ code: 'embedder-limit', retryAfterMs: undefined });
  });
});

describe('answers of another shape', () => {
  it.each([
    ['null', null],
    ['a list', []],
    ['no embeddings', {}],
    ['embeddings that are no list', { embeddings: 'x' }],
    ['one that is null', { embeddings: [null] }],
    ['values that are no list', { embeddings: [{ values: 'x' }] }],
    ['a value that is null', { embeddings: [{ values: [1, null] }] }],
    ['a number as text', { embeddings: [{ values: ['1'] }] }],
    ['one too many', { embeddings: [{ values: [1] }, { values: [1] }] }],
  ])('%s', async (_, body) => {
    expect(await answered(200, body)).toMatchObject({ code: 'embedder-unavailable', transient: true });
  });

  it("takes what protobuf's JSON means", async () => {
    expect(await answered(200, { embeddings: [{ values: ['NaN', 'Infinity', '-Infinity'] }] })).toEqual([
      Float32Array.of(NaN, Infinity, -Infinity),
    ]);
    expect(await answered(200, { embeddings: [{}] })).toEqual([new Float32Array()]);
  });
});

describe('midnight in Pacific time', () => {
  it.each([
    ['winter', '2026-11-22T02:00:00Z', '2026-11-22T08:00:00Z'],
    ['summer', '2026-07-01T12:00:00Z', '2026-07-02T07:00:00Z'],
    ['the day that has 23 hours', '2026-03-08T09:00:00Z', '2026-03-09T07:00:00Z'],
    ['the day that has 25 hours', '2026-11-01T07:00:00Z', '2026-11-02T08:00:00Z'],
    ['the last moment of a day', '2026-12-31T07:59:59.999Z', '2026-12-31T08:00:00Z'],
    ['the first moment of a day', '2026-12-31T08:00:00Z', '2027-01-01T08:00:00Z'],
  ])('%s', (_, now, midnight) => {
    expect(Date.parse(now) + msUntilPacificMidnight(Date.parse(now))).toBe(Date.parse(midnight));
  });

  it('is the start of the next day there, at any time', () => {
    const inCalifornia = (at: number, options: Intl.DateTimeFormatOptions): string =>
      new Intl.DateTimeFormat('en-CA', { timeZone: 'America/Los_Angeles', ...options }).format(at);
    const day = (at: number): string => inCalifornia(at, { year: 'numeric', month: '2-digit', day: '2-digit' });
    const between = { min: Date.parse('2020-01-01T00:00:00Z'), max: Date.parse('2040-01-01T00:00:00Z') };
    fc.assert(
      fc.property(fc.integer(between), (now) => {
        const midnight = now + msUntilPacificMidnight(now);
        expect(midnight).toBeGreaterThan(now);
        expect(day(midnight - 1)).toBe(day(now));
        expect(day(midnight) > day(now)).toBe(true);
      }),
    );
  });
});
