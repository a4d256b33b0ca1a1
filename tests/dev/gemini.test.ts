import { afterAll, beforeAll, describe, expect, it, afterEach } from '@jest/globals';
import {
  startGemini,
  type Gemini,
  type CallFault,
  type GeminiOptions,
  type VectorFault,
} from '../../dev/gemini/index.js';
import { minuteLimiter } from '../../dev/gemini/service.js';
import { systemClock } from '../../lib/services/clock.js';
import { geminiEmbedder } from '../../lib/services/gemini/embedder.js';
import { upstashVector } from '../../lib/services/upstash-vector/index.js';
import { startUpstashVector } from '../../dev/upstash-vector/index.js';

describe('without faults', () => {
  const MODEL = 'models/gemini-embedding-001';

  let gemini: Gemini;
  beforeAll(async () => {
    gemini = await startGemini({ vectors: 'hash' });
  });
  afterAll(() => gemini.stop());

  interface Answer {
    readonly status: number;
    readonly body: {
      readonly embeddings?: readonly { readonly values: readonly number[] }[];
      readonly embedding?: { readonly values: readonly number[] };
      readonly error?: { readonly code: number; readonly status: string; readonly message: string; details?: unknown };
    };
  }

  async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`${gemini.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-goog-api-key': gemini.apiKey, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Answer['body'] };
  }

  const request = (text: string, more: object = {}) => ({ model: MODEL, content: { parts: [{ text }] }, ...more });
  const batch = (requests: unknown) => post(`/v1beta/${MODEL}:batchEmbedContents`, { requests });
  const lengthOf = (values: readonly number[] = []): number => Math.hypot(...values);

  describe('what the stand-in for Gemini embeds', () => {
    it('a batch, in order, by default of 3,072 dimensions and unit length', async () => {
      const { status, body } = await batch([request('one'), request('two'), request('one')]);
      const [one, two, again] = (body.embeddings ?? []).map(({ values }) => values);
      expect(status).toBe(200);
      expect(one).toHaveLength(3072);
      expect(lengthOf(one)).toBeCloseTo(1, 5);
      expect(again).toEqual(one);
      expect(two).not.toEqual(one);
    });

    it('fewer dimensions, one by one, whose vectors are not of unit length', async () => {
      const sizes = [768, 128, 3071];
      const { body } = await batch(sizes.map((outputDimensionality) => request('x', { outputDimensionality })));
      expect(body.embeddings?.map(({ values }) => values.length)).toEqual(sizes);
      for (const { values } of body.embeddings ?? []) expect(lengthOf(values)).toBeLessThan(0.9);
    });

    it('a single text, which needs no model of its own and has the same vector', async () => {
      const { body } = await post(`/v1beta/${MODEL}:embedContent`, { content: { parts: [{ text: 'one' }] } });
      const { body: together } = await batch([request('one')]);
      expect(body.embedding?.values).toEqual(together.embeddings?.[0]?.values);
    });

    it('with the key as a parameter, and with ignored fields', async () => {
      const path = `/v1beta/${MODEL}:batchEmbedContents?key=${gemini.apiKey}`;
      const requests = [request('x', { taskType: 'CLUSTERING', title: 'y' })];
      const response = await fetch(gemini.url + path, { method: 'POST', body: JSON.stringify({ requests }) });
      expect(response.status).toBe(200);
      await response.arrayBuffer();
    });

    it('the first 2,048 tokens of a text, silently', async () => {
      const long = 'word '.repeat(4000);
      const { status, body } = await batch([request(`${long}a`), request(`${long}b`), request(`a${long}`)]);
      const [first, second, third] = body.embeddings ?? [];
      expect(status).toBe(200);
      expect(second).toEqual(first);
      expect(third).not.toEqual(first);
    });
  });

  describe('what it refuses', () => {
    const refusals: [string, () => Promise<Answer>, number, string, RegExp][] = [
      [
        'a wrong key',
        () => post(`/v1beta/${MODEL}:batchEmbedContents`, { requests: [request('x')] }, { 'x-goog-api-key': 'wrong' }),
        400,
        'INVALID_ARGUMENT',
        /API key not valid/,
      ],
      [
        'no key',
        () => post(`/v1beta/${MODEL}:batchEmbedContents`, { requests: [request('x')] }, { 'x-goog-api-key': '' }),
        403,
        'PERMISSION_DENIED',
        /unregistered callers/,
      ],
      ['another model', () => post('/v1beta/models/other:batchEmbedContents', {}), 404, 'NOT_FOUND', /models\/other/],
      ['another method', () => post(`/v1beta/${MODEL}:generateContent`, {}), 404, 'NOT_FOUND', /Not Found/],
      ['another version', () => post(`/v2/${MODEL}:embedContent`, {}), 404, 'NOT_FOUND', /Not Found/],
      ['no JSON', () => post(`/v1beta/${MODEL}:embedContent`, '{'), 400, 'INVALID_ARGUMENT', /JSON/],
      ['no object', () => post(`/v1beta/${MODEL}:embedContent`, '[]'), 400, 'INVALID_ARGUMENT', /JSON/],
      ['no requests', () => batch([]), 400, 'INVALID_ARGUMENT', /at least one/],
      ['101 requests', () => batch(Array(101).fill(request('x'))), 400, 'INVALID_ARGUMENT', /at most 100/],
      ['a request that is none', () => batch([null]), 400, 'INVALID_ARGUMENT', /requests\[0\]/],
      ['no content', () => batch([request('x'), { model: MODEL }]), 400, 'INVALID_ARGUMENT', /\[1\].*is required/],
      ['an empty text', () => batch([request('x'), request('')]), 400, 'INVALID_ARGUMENT', /\[1\].*empty Part/],
      ['a foreign model', () => batch([request('x', { model: 'models/y' })]), 400, 'INVALID_ARGUMENT', /model/],
      [
        '127 dimensions',
        () => batch([request('x', { outputDimensionality: 127 })]),
        400,
        'INVALID_ARGUMENT',
        /dimension/,
      ],
      [
        '3,073 dimensions',
        () => batch([request('x', { outputDimensionality: 3073 })]),
        400,
        'INVALID_ARGUMENT',
        /3072/,
      ],
      ['more than 4 MiB', () => batch([request('x'.repeat(4_194_304))]), 400, 'INVALID_ARGUMENT', /4194304 bytes/],
    ];

    it.each(refusals)('%s', async (_, call, code, status, message) => {
      const before = gemini.textsEmbedded();
      const answer = await call();
      expect(answer.status).toBe(code);
      expect(answer.body.error).toMatchObject({ code, status, message: expect.stringMatching(message) });
      expect(gemini.textsEmbedded()).toBe(before);
    });

    it('names the reason of a wrong key as Google does', async () => {
      const wrong = { 'x-goog-api-key': 'wrong' };
      const { body } = await post(`/v1beta/${MODEL}:batchEmbedContents`, { requests: [request('x')] }, wrong);
      expect(body.error?.details).toEqual([
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: 'API_KEY_INVALID',
          domain: 'googleapis.com',
          metadata: { service: 'generativelanguage.googleapis.com' },
        },
      ]);
    });
  });
});

describe('with faults', () => {
  const MODEL = 'models/gemini-embedding-001';

  let gemini: Gemini;
  afterEach(() => gemini.stop());

  async function start(options: GeminiOptions = {}): Promise<void> {
    gemini = await startGemini({ vectors: 'hash', ...options });
  }

  function embed(texts: readonly string[], signal?: AbortSignal): Promise<Response> {
    const requests = texts.map((text) => ({ model: MODEL, content: { parts: [{ text }] }, outputDimensionality: 128 }));
    return fetch(`${gemini.url}/v1beta/${MODEL}:batchEmbedContents`, {
      method: 'POST',
      headers: { 'x-goog-api-key': gemini.apiKey },
      body: JSON.stringify({ requests }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  interface GoogleErrorBody {
    readonly error: { readonly code: number; readonly details?: readonly { readonly '@type': string }[] };
  }

  /** The details of an error by the last part of their type. */
  async function detailsOf(response: Response): Promise<Record<string, object>> {
    const { error } = (await response.json()) as GoogleErrorBody;
    expect(error.code).toBe(response.status);
    return Object.fromEntries((error.details ?? []).map((one) => [one['@type'].replace(/.*\./, ''), one]));
  }

  describe('counts of the stand-in for Gemini', () => {
    it('say how often each text was embedded', async () => {
      await start();
      await (await embed(['a', 'b', 'a'])).arrayBuffer();
      await (await embed(['b', 'c'])).arrayBuffer();
      expect([gemini.calls(), gemini.textsEmbedded(), gemini.distinctTexts()]).toEqual([2, 5, 3]);
      expect(['a', 'b', 'c', 'd'].map((text) => gemini.timesEmbedded(text))).toEqual([2, 2, 1, 0]);
    });

    it.each<[CallFault, number]>([
      ['rate-limit', 0],
      ['rate-limit-bare', 0],
      ['daily-quota', 0],
      ['denied', 0],
      [503, 0],
      ['reset', 0],
      ['lose-reply', 1],
      ['half-reply', 1],
      ['one-short', 1],
      ['not-json', 1],
    ])('tell whether a call that fails by %s had its texts embedded', async (fault, times) => {
      await start({ faults: { call: () => fault } });
      await embed(['a'])
        .then((response) => response.arrayBuffer())
        .catch(() => undefined);
      expect([gemini.calls(), gemini.timesEmbedded('a')]).toEqual([1, times]);
    });
  });

  describe('its faults', () => {
    it('see the index and the texts of a call, and can be changed', async () => {
      await start({ faults: { call: ({ index, texts }) => (index === 1 && texts[0] === 'b' ? 500 : null) } });
      const statuses: number[] = [];
      for (const text of ['b', 'b', 'b']) statuses.push((await embed([text])).status);
      gemini.setFaults({ call: () => 503 });
      statuses.push((await embed(['b'])).status);
      gemini.setFaults({ call: () => null, refuse: (text) => text.startsWith('bad') });
      statuses.push((await embed(['good', 'bad one'])).status, (await embed(['good'])).status);
      expect(statuses).toEqual([200, 500, 200, 503, 400, 200]);
    });

    it('hang until the caller gives up, and do not keep it from being stopped', async () => {
      await start({ faults: { call: () => 'hang' } });
      const reached = async (calls: number): Promise<void> => {
        while (gemini.calls() < calls) await new Promise((resolve) => setTimeout(resolve, 5));
      };
      const caller = new AbortController();
      const givenUp = expect(embed(['a'], caller.signal)).rejects.toMatchObject({ name: 'AbortError' });
      await reached(1);
      caller.abort();
      await givenUp;
      const hanging = expect(embed(['b'])).rejects.toMatchObject({ message: 'fetch failed' });
      await reached(2);
      await gemini.stop();
      await hanging;
    });

    it('spoil single vectors', async () => {
      await start({ faults: { vector: (text) => (text === 'good' ? null : (text as VectorFault)) } });
      const { embeddings } = (await (await embed(['nan', 'zero', 'short', 'good'])).json()) as {
        embeddings: { values: (number | string)[] }[];
      };
      expect(embeddings.map(({ values }) => values.length)).toEqual([128, 128, 127, 128]);
      expect(embeddings[0]?.values[0]).toBe('NaN');
      expect(new Set(embeddings[1]?.values)).toEqual(new Set([0]));
      expect(embeddings[3]?.values.every((value) => typeof value === 'number' && value !== 0)).toBe(true);
    });

    it('answer 429 as Google does', async () => {
      await start({ faults: { call: ({ texts }) => texts[0] as CallFault } });
      expect(await detailsOf(await embed(['rate-limit']))).toMatchObject({
        QuotaFailure: { violations: [{ quotaId: expect.stringContaining('PerMinute') }] },
        RetryInfo: { retryDelay: '17s' },
      });
      expect(await detailsOf(await embed(['daily-quota']))).toMatchObject({
        QuotaFailure: { violations: [{ quotaId: expect.stringContaining('PerDay') }] },
        RetryInfo: { retryDelay: '17s' },
      });
      expect(await detailsOf(await embed(['rate-limit-bare']))).toEqual({});
    });
  });

  describe('its rate limit', () => {
    it('counts texts, not calls, and takes nothing from what it refuses', () => {
      let now = 60_000 * 1000 + 43_000;
      const take = minuteLimiter(100, 1, () => now);
      expect([take(60), take(41), take(40), take(1)]).toEqual([
        null,
        { retryDelayMs: 17_000 },
        null,
        { retryDelayMs: 17_000 },
      ]);
      now += 17_000;
      expect([take(101), take(100)]).toEqual([{ retryDelayMs: 60_000 }, null]);
    });

    it('has shorter minutes with speed, and speaks of whole ones', () => {
      let now = 600 * 1000 + 150;
      const take = minuteLimiter(1, 100, () => now);
      expect([take(1), take(1)]).toEqual([null, { retryDelayMs: 45_000 }]);
      now += 450;
      expect(take(1)).toBeNull();
    });

    it('is answered with 429 and the time to wait', async () => {
      await start({ textsPerMinute: 2 });
      const response = await embed(['a', 'b', 'c']);
      expect(response.status).toBe(429);
      expect(await detailsOf(response)).toMatchObject({
        RetryInfo: { retryDelay: expect.stringMatching(/^\d+(\.\d{1,3})?s$/) },
      });
      expect(gemini.textsEmbedded()).toBe(0);
    });
  });
});

const clock = systemClock();
const retry = { attempts: 1, baseMs: 1, capMs: 1 };
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const vectorsOf = (from: number, count: number) =>
  Array.from({ length: count }, (_, at) => ({
    id: `v${from + at}`,
    values: new Float32Array(768).fill(0.1),
    metadata: { title: '', source: '', cluster_id: '', created_at: '' },
  }));

describe('the stand-ins', () => {
  it('accept this many vectors a day, in whole requests', async () => {
    const standIn = await startUpstashVector({ updatesPerDay: 10 });
    stops.push(() => standIn.stop());
    const index = upstashVector({ url: standIn.url, token: standIn.token, clock, retry });
    await index.upsert('p', vectorsOf(0, 8));
    await expect(index.upsert('p', vectorsOf(8, 3))).rejects.toMatchObject({ code: 'vector-quota' });
    expect(await index.fetch('p', ['v8'])).toEqual([null]);
    await index.upsert('p', vectorsOf(8, 2));
    standIn.renewDay();
    await index.upsert('p', vectorsOf(10, 10));
    standIn.setFaults({ refuseNamespace: (namespace) => namespace === 'p' });
    await expect(index.range('p', null, 10)).rejects.toMatchObject({ code: 'vector-refused' });
    expect(await index.range('q', null, 10)).toEqual({ vectors: [], next: null });
  });

  it('embed this many texts a day, and always refuse or fail on one text', async () => {
    const gemini = await startGemini({ vectors: 'hash', textsPerDay: 3 });
    stops.push(() => gemini.stop());
    const embedder = geminiEmbedder({
      apiKey: gemini.apiKey,
      baseUrl: gemini.url,
      clock,
      retry,
      model: 'gemini-embedding-2',
    });
    expect(await embedder.embed(['a', 'b'])).toHaveLength(2);
    await expect(embedder.embed(['c', 'd'])).rejects.toMatchObject({ code: 'embedder-quota' });
    gemini.renewDay();
    gemini.setFaults({ fail: (text) => text === 'bad', refuse: (text) => text === 'worse' });
    await expect(embedder.embed(['c', 'bad'])).rejects.toMatchObject({ code: 'embedder-unavailable' });
    await expect(embedder.embed(['c', 'worse'])).rejects.toMatchObject({ code: 'embedder-refused' });
    expect(await embedder.embed(['c'])).toHaveLength(1);
  });
});
