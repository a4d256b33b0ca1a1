import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGemini, type Gemini } from '../../dev/gemini/index.js';

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
    ['3,073 dimensions', () => batch([request('x', { outputDimensionality: 3073 })]), 400, 'INVALID_ARGUMENT', /3072/],
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
