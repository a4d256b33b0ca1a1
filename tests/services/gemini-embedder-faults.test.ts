import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { geminiEmbedder, type GeminiEmbedderOptions } from '../../lib/services/gemini/embedder.js';
import { AppError } from '../../lib/errors.js';
import { startGemini, type CallFault, type Gemini } from '../../dev/gemini/index.js';
import type { Embedder } from '../../lib/ports/embedder.js';
import { manualClock, type ManualClock } from '../support/clocks.js';

const KEY = 'secret-api-key';
const TEXTS = ['secret-text one', 'secret-text two'];
/** 02:00 UTC, which is 18:00 of the day before in California. */
const NOW = Date.parse('2026-11-22T02:00:00Z');

let gemini: Gemini;
let clock: ManualClock;
let before: number;

beforeAll(async () => {
  gemini = await startGemini({ apiKey: KEY, vectors: 'hash' });
});
afterAll(() => gemini.stop());
beforeEach(() => {
  clock = manualClock(NOW);
  before = gemini.calls();
  gemini.setFaults({ call: () => null, vector: () => null, refuse: () => false });
});

function embedder(options: Partial<GeminiEmbedderOptions> = {}): Embedder {
  return geminiEmbedder({ apiKey: KEY, baseUrl: gemini.url, clock, ...options });
}

/** What the call reaches while the clock stands still: a wait before another try would never end. */
function atOnce<T>(call: Promise<T>): Promise<T | AppError> {
  return call.catch((error: unknown) => {
    if (error instanceof AppError) return error;
    throw error;
  });
}

/** What the call reaches, with the clock turned on until it does. */
async function settled<T>(call: Promise<T>): Promise<T | AppError> {
  const waits = { over: false };
  const result = atOnce(call).finally(() => (waits.over = true));
  while (!waits.over) await clock.advance(10_000);
  return result;
}

async function failure(outcome: Promise<unknown>): Promise<AppError> {
  const error = await outcome;
  if (!(error instanceof AppError)) throw new Error('the call did not fail');
  const told = inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error);
  for (const secret of ['secret', gemini.url]) expect(told).not.toContain(secret);
  expect(error.hint).not.toBe('');
  return error;
}

/** The first `times` calls from now on fail so. */
function failCalls(fault: CallFault, times = Infinity): void {
  gemini.setFaults({ call: ({ index }) => (index - before < times ? fault : null) });
}
const callsMade = (): number => gemini.calls() - before;

describe('failures that are not retried', () => {
  it.each([
    ['a key that is not known', { apiKey: 'secret-other-key' }, 'embedder-denied', /GEMINI_API_KEY/],
    ['a model that is not known', { model: 'text-embedding-004' }, 'embedder-denied', /EMBEDDING_MODEL/],
  ])('%s', async (_, options, code, hint) => {
    const error = await failure(atOnce(embedder(options).embed(TEXTS)));
    expect(error).toMatchObject({ code, transient: false, hint: expect.stringMatching(hint) });
  });

  it('a key without permission', async () => {
    failCalls('denied');
    expect(await failure(atOnce(embedder().embed(TEXTS)))).toMatchObject({ code: 'embedder-denied', transient: false });
    expect(callsMade()).toBe(1);
  });

  it('a text that is refused, and the whole call with it', async () => {
    gemini.setFaults({ refuse: (text) => text.endsWith('two') });
    expect(await failure(atOnce(embedder().embed(TEXTS)))).toMatchObject({
      code: 'embedder-refused',
      transient: false,
    });
    expect(callsMade()).toBe(1);
    expect(await atOnce(embedder().embed(['secret-text one']))).toHaveLength(1);
  });

  it('a rate limit, with the time to wait', async () => {
    failCalls('rate-limit');
    const error = await failure(atOnce(embedder().embed(TEXTS)));
    expect(error).toMatchObject({ code: 'embedder-limit', transient: true, retryAfterMs: 17_000 });
    expect(callsMade()).toBe(1);
  });

  it('a rate limit without a time', async () => {
    failCalls('rate-limit-bare');
    const error = await failure(atOnce(embedder().embed(TEXTS)));
    expect(error).toMatchObject({ code: 'embedder-limit', transient: true, retryAfterMs: undefined });
    expect(callsMade()).toBe(1);
  });

  it('the quota of the day, which comes back at midnight in California, whatever its RetryInfo says', async () => {
    failCalls('daily-quota');
    const error = await failure(atOnce(embedder().embed(TEXTS)));
    expect(error).toMatchObject({ code: 'embedder-quota', transient: false, retryAfterMs: 6 * 3_600_000 });
    expect(callsMade()).toBe(1);
  });
});

describe('failures that are retried, at most twice', () => {
  const passing: CallFault[] = [500, 503, 'reset', 'lose-reply', 'half-reply', 'one-short', 'not-json'];

  it.each(passing)('%s, when it stays', async (fault) => {
    failCalls(fault);
    expect(await failure(settled(embedder().embed(TEXTS)))).toMatchObject({
      code: 'embedder-unavailable',
      transient: true,
    });
    expect(callsMade()).toBe(3);
  });

  it.each(passing)('%s, when it passes', async (fault) => {
    failCalls(fault, 2);
    expect(await settled(embedder().embed(TEXTS))).toHaveLength(2);
    expect(callsMade()).toBe(3);
  });

  it('no answer in time', async () => {
    failCalls('hang', 1);
    expect(await settled(embedder({ timeoutMs: 2_000 }).embed(TEXTS))).toHaveLength(2);
    failCalls('hang');
    const error = await failure(
      settled(embedder({ timeoutMs: 50, retry: { attempts: 1, baseMs: 1, capMs: 1 } }).embed(TEXTS)),
    );
    expect(error).toMatchObject({ code: 'embedder-unavailable', transient: true });
    expect(error.message).toContain('50 ms');
  });

  it('no host', async () => {
    const error = await failure(settled(embedder({ baseUrl: 'http://127.0.0.1:1' }).embed(TEXTS)));
    expect(error).toMatchObject({ code: 'embedder-unavailable', transient: true });
  });

  it('a rate limit after another failure ends the attempts', async () => {
    gemini.setFaults({ call: ({ index }) => (index === before ? 503 : 'rate-limit') });
    expect(await failure(settled(embedder().embed(TEXTS)))).toMatchObject({
      code: 'embedder-limit',
      retryAfterMs: 17_000,
    });
    expect(callsMade()).toBe(2);
  });
});

describe('unusable vectors', () => {
  it.each([
    ['nan', 768, NaN],
    ['zero', 768, 0],
    ['short', 767, expect.any(Number)],
  ] as const)('are returned unchanged: %s', async (fault, length, first) => {
    gemini.setFaults({ vector: (text) => (text.endsWith('two') ? fault : null) });
    const vectors = (await embedder().embed(TEXTS)).map((vector) => [vector.length, vector[0]]);
    expect(vectors).toEqual([
      [768, expect.any(Number)],
      [length, first],
    ]);
    expect(vectors[0]?.[1]).not.toBe(0);
  });
});

describe('invalid input', () => {
  it.each([
    ['an empty key', { apiKey: '' }],
    ['a key with a line end', { apiKey: 'secret-api-key\n' }],
    ['too few dimensions', { dimensions: 64 }],
    ['too many dimensions', { dimensions: 4096 }],
    ['half a dimension', { dimensions: 768.5 }],
  ])('%s is refused at once, without quoting the key', (_, wrong) => {
    let error: unknown;
    try {
      embedder(wrong);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'config', message: expect.not.stringContaining('secret') });
  });

  it('more texts than a call takes are not sent', async () => {
    const texts = Array.from({ length: 101 }, () => 'x');
    expect(await failure(atOnce(embedder().embed(texts)))).toMatchObject({ code: 'internal' });
    expect(callsMade()).toBe(0);
  });
});
