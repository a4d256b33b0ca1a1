import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  quotaError,
  bareQuotaError,
  invalidArgumentError,
  noPermissionError,
  serverError,
  type EmbedRequest,
} from './requests.js';
import type { Vectors } from './vectors.js';

/** An authorised, well-formed call that is about to be served. */
export interface GeminiCall {
  /** Counts from 0. */
  readonly index: number;
  readonly texts: readonly string[];
}

/**
 * Faults of a whole call. Without embedding: `rate-limit` (429 with RetryInfo of 17 s), `rate-limit-bare` (429 without
 * details), `daily-quota` (429 with a quota per day and, as from Google, a RetryInfo), `denied` (403), a status of 5xx, `hang`
 * (no answer), `reset` (the connection is cut). After embedding: `lose-reply` (cut instead of the answer), `half-reply` (cut
 * within the answer), `one-short` (one vector is missing), `not-json`.
 */
export type CallFault =
  | 'rate-limit'
  | 'rate-limit-bare'
  | 'daily-quota'
  | 'denied'
  | 'hang'
  | 'reset'
  | 'lose-reply'
  | 'half-reply'
  | 'one-short'
  | 'not-json'
  | 500
  | 503;

/** Faults of one vector: a component is not a number, all are 0, or one is missing. */
export type VectorFault = 'nan' | 'zero' | 'short';

export interface GeminiFaults {
  readonly call: (call: GeminiCall) => CallFault | null;
  readonly vector: (text: string) => VectorFault | null;
  /** Whether this text is always refused; a call with the text fails as a whole with 400. */
  readonly refuse: (text: string) => boolean;
  /** Whether the service always fails on this text; a call with the text fails as a whole with 500. */
  readonly fail: (text: string) => boolean;
}

export const NO_FAULTS: GeminiFaults = { call: () => null, vector: () => null, refuse: () => false, fail: () => false };

/** Applies a fault to a vector, ready for JSON. */
function applyVectorFault(vector: readonly number[], fault: VectorFault): readonly (number | string)[] {
  switch (fault) {
    case 'nan':
      return ['NaN', ...vector.slice(1)];
    case 'zero':
      return vector.map(() => 0);
    case 'short':
      return vector.slice(1);
  }
}

/** Takes `count` texts from the minute's allowance; when it is used up, returns the wait in the vendor's milliseconds. */
type Limiter = (count: number) => { readonly retryDelayMs: number } | null;

/**
 * Fixed windows of one minute, `speed` times shorter in real time. A call that exceeds the rest of a window is refused as a
 * whole and takes nothing.
 */
export function minuteLimiter(textsPerMinute: number, speed: number, now: () => number = Date.now): Limiter {
  const windowMs = 60_000 / speed;
  let window = -1;
  let used = 0;
  return (count) => {
    const current = Math.floor(now() / windowMs);
    if (current !== window) [window, used] = [current, 0];
    if (used + count > textsPerMinute) return { retryDelayMs: Math.ceil(((current + 1) * windowMs - now()) * speed) };
    used += count;
    return null;
  };
}

/** A day's quota of texts. */
interface DayQuota {
  /** Takes `count` texts from the quota; returns false and takes nothing when fewer are left. */
  take(count: number): boolean;
  renew(): void;
}

export function dayQuota(textsPerDay: number): DayQuota {
  let used = 0;
  return {
    take(count) {
      if (used + count > textsPerDay) return false;
      used += count;
      return true;
    },
    renew: () => void (used = 0),
  };
}

/** Counts since the start. */
export interface GeminiCounts {
  /** Authorised, well-formed calls, including those that failed later. */
  calls(): number;
  /** Embedded texts, including lost answers and repetitions. */
  textsEmbedded(): number;
  /** Distinct embedded texts. */
  distinctTexts(): number;
  /** How often this text was embedded. */
  timesEmbedded(text: string): number;
}

interface CallCounter {
  readonly counts: GeminiCounts;
  /** Counts a call and returns its index, from 0. */
  call(): number;
  embedded(texts: readonly string[]): void;
}

export function callCounter(): CallCounter {
  let calls = 0;
  let total = 0;
  // By digest: a load test has too much text to hold in memory.
  const times = new Map<string, number>();
  const digest = (text: string): string => createHash('sha1').update(text).digest('base64');
  return {
    counts: {
      calls: () => calls,
      textsEmbedded: () => total,
      distinctTexts: () => times.size,
      timesEmbedded: (text) => times.get(digest(text)) ?? 0,
    },
    call: () => calls++,
    embedded(texts) {
      total += texts.length;
      for (const text of texts) {
        const key = digest(text);
        times.set(key, (times.get(key) ?? 0) + 1);
      }
    },
  };
}

export interface Service {
  readonly apiKey: string;
  readonly models: readonly string[];
  readonly delayMs: number;
  readonly embed: Vectors;
  readonly limiter: Limiter;
  /** Counts tokens. */
  readonly tokenLimiter: Limiter;
  /** The day's quota. */
  readonly today: DayQuota;
  readonly counter: CallCounter;
  readonly faults: () => GeminiFaults;
}

/** The JSON of each embedding's values, a body that is not from the API, or a fault of the connection. */
type Outcome =
  | { readonly embeddings: readonly Buffer[] }
  | { readonly body: string }
  | { readonly silence: 'hang' | 'reset' | 'half-reply' };

const RETRY_DELAY_MS = 17_000;
const CHARACTERS_A_TOKEN = 4;

/** Serves a well-formed call with the active faults; throws GoogleError when it is refused. */
export async function serve(service: Service, model: string, requests: readonly EmbedRequest[]): Promise<Outcome> {
  const texts = requests.map(({ text }) => text);
  const faults = service.faults();
  const fault = faults.call({ index: service.counter.call(), texts });
  if (service.delayMs > 0) await delay(service.delayMs, undefined, { ref: false });
  if (fault === 'hang' || fault === 'reset') return { silence: fault };
  throwCallFault(fault, model);
  checkTexts(texts, faults);
  const refusal = service.limiter(texts.length);
  if (refusal !== null) throw quotaError('Minute', refusal.retryDelayMs, model);
  const tokens = texts.reduce((sum, { length }) => sum + Math.ceil(length / CHARACTERS_A_TOKEN), 0);
  const tokenRefusal = service.tokenLimiter(tokens);
  if (tokenRefusal !== null) throw quotaError('Minute', tokenRefusal.retryDelayMs, model);
  if (!service.today.take(texts.length)) {
    throw quotaError('Day', RETRY_DELAY_MS, model);
  }
  const vectors = await service.embed(requests.map((request) => ({ ...request, model })));
  service.counter.embedded(texts);
  if (fault === 'lose-reply') return { silence: 'reset' };
  if (fault === 'half-reply') return { silence: fault };
  if (fault === 'not-json') return { body: '<html>a page of some proxy</html>' };
  const embeddings = vectors.map((vector, index) => {
    const spoilt = faults.vector(texts[index] ?? '');
    return spoilt === null ? vector.json : Buffer.from(JSON.stringify(applyVectorFault(vector.values(), spoilt)));
  });
  return { embeddings: fault === 'one-short' ? embeddings.slice(1) : embeddings };
}

function throwCallFault(fault: CallFault | null, model: string): void {
  if (fault === 'rate-limit') throw quotaError('Minute', RETRY_DELAY_MS, model);
  if (fault === 'rate-limit-bare') throw bareQuotaError();
  if (fault === 'daily-quota') throw quotaError('Day', RETRY_DELAY_MS, model);
  if (fault === 'denied') throw noPermissionError();
  if (typeof fault === 'number') throw serverError(fault);
}

/** The error quotes the text, as Google's messages may. */
function checkTexts(texts: readonly string[], { fail, refuse }: GeminiFaults): void {
  if (texts.some((text) => fail(text))) throw serverError(500);
  const at = texts.findIndex((text) => refuse(text));
  if (at >= 0) throw invalidArgumentError(`Invalid value at 'requests[${at}].content': ${JSON.stringify(texts[at])}`);
}
