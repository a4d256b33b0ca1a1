import { afterEach, describe, expect, it } from '@jest/globals';
import { minuteLimiter } from '../../dev/gemini/service.js';
import { startGemini } from '../../dev/gemini/index.js';
import type { CallFault, Gemini, GeminiOptions, VectorFault } from '../../dev/gemini/index.js';

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
