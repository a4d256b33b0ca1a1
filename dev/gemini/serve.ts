import { setTimeout as delay } from 'node:timers/promises';
import type { CallCounter } from './counts.js';
import { quotaError, bareQuotaError, invalidArgumentError, noPermissionError, serverError } from './errors.js';
import { applyVectorFault } from './faults.js';
import type { CallFault, GeminiFaults } from './faults.js';
import type { DayQuota, Limiter } from './limiter.js';
import type { EmbedRequest } from './request.js';
import type { Vectors } from './vectors.js';

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
export type Outcome =
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
