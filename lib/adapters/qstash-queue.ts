import { Client, QstashDailyRatelimitError, QstashError, QstashRatelimitError, Receiver } from '@upstash/qstash';
import type { PublishRequest } from '@upstash/qstash';
import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { Queue, QueueMessage } from '../ports/queue.js';
import { toFlowControl } from './qstash/flow-control.js';
import { compareKeys, type SigningKeys, signingKeysIn } from './qstash/signing-keys.js';
import { dropVendorLines } from './vendor-lines.js';
import { DEFAULT_RETRY, withRetry } from './retry.js';
import type { RetryPolicy } from './retry.js';

export interface QstashQueueOptions {
  /** Address of the service; default the vendor's, `https://qstash.upstash.io`. */
  readonly url?: string;
  readonly token: string;
  readonly currentSigningKey: string;
  readonly nextSigningKey: string;
  /** Full address of our task endpoint, as a signature covers it. */
  readonly endpoint: string;
  readonly clock: Clock;
  readonly retry?: RetryPolicy;
  /** How often a delivery that fails is made again; default 3, the most that the free plan takes. */
  readonly retries?: number;
  /** After how many milliseconds a call to the service counts as failed; default 15,000. */
  readonly timeoutMs?: number;
}

const DEFAULT_URL = 'https://qstash.upstash.io';
/** Most messages that one batch request carries. */
const BATCH_COUNT = 100;
/** Most bytes of bodies in one batch request: under the 1 MB that the service takes, with room for headers. */
const BATCH_BYTES = 700_000;
/** How far the service's clock and ours may be apart, in seconds, when a signature's times are checked. */
const CLOCK_TOLERANCE_SECONDS = 5;

/**
 * Queue over Upstash QStash (https://upstash.com/docs/qstash). Messages are POSTed as they are, as application/json.
 * A batch may be accepted in part: what was refused is sent again, and the deduplication id keeps what got through
 * after all from being delivered twice.
 */
export function qstashQueue(options: QstashQueueOptions): Queue {
  const { clock, endpoint, token } = options;
  dropVendorLines();
  const client = new Client({
    baseUrl: options.url ?? DEFAULT_URL,
    token,
    // Without it the SDK would obey QSTASH_DEV of the environment and talk to a server of its own choice.
    devMode: false,
    enableTelemetry: false,
    retry: false,
  });
  const receiver = new Receiver({
    currentSigningKey: options.currentSigningKey,
    nextSigningKey: options.nextSigningKey,
    devMode: false,
  });

  const toRequest = (message: QueueMessage): PublishRequest => ({
    url: endpoint,
    body: message.body,
    headers: { 'content-type': 'application/json' },
    deduplicationId: message.deduplicationId,
    retries: options.retries ?? 3,
    ...(message.delaySeconds > 0 ? { delay: Math.ceil(message.delaySeconds) } : {}),
    ...(message.flow === null ? {} : { flowControl: toFlowControl(message.flow) }),
  });

  /** Publishes once and returns the messages that were not accepted. */
  const publishOnce = async (messages: readonly QueueMessage[]): Promise<QueueMessage[]> => {
    const call = client.batch(messages.map(toRequest));
    const results: readonly unknown[] = await withinTime(call, options.timeoutMs ?? 15_000).catch((error: unknown) => {
      throw toQueueError(error, clock);
    });
    return messages.filter((_, index) => !isAccepted(results[index]));
  };

  return {
    async publish(messages) {
      for (const batch of batches(messages)) {
        let left = batch;
        const send = async (): Promise<void> => {
          left = await publishOnce(left);
          if (left.length > 0) throw refused(left.length, batch.length);
        };
        await withRetry(clock, send, options.retry ?? DEFAULT_RETRY);
      }
    },

    async verify({ body, signature }) {
      if (signature === null || signature === '') return false;
      return receiver.verify({ body, signature, url: endpoint, clockTolerance: CLOCK_TOLERANCE_SECONDS }).then(
        () => true,
        () => false,
      );
    },

    async health() {
      const keys = await withRetry(clock, () => fetchSigningKeys(options), options.retry ?? DEFAULT_RETRY);
      return { signingKeys: compareKeys(options, keys) };
    },
  };
}

/** Splits by count and by bytes; a single message over the byte limit goes alone, for the service to judge. */
function* batches(messages: readonly QueueMessage[]): Generator<QueueMessage[]> {
  let batch: QueueMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    // In the request a body is a JSON string inside JSON, so it is counted as it will be escaped.
    const size = Buffer.byteLength(JSON.stringify(message.body));
    if (batch.length > 0 && (batch.length === BATCH_COUNT || bytes + size > BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(message);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** The SDK has no call for it: GET /v2/keys (https://upstash.com/docs/qstash/api/signingKeys/get). */
async function fetchSigningKeys({ url, token, timeoutMs }: QstashQueueOptions): Promise<SigningKeys> {
  const response = await fetch(new URL('/v2/keys', url ?? DEFAULT_URL), {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(timeoutMs ?? 15_000),
  }).catch((error: unknown) => {
    throw unavailable(error, undefined);
  });
  if (response.status >= 500) throw unavailable(undefined, response.status);
  const keys = response.ok ? signingKeysIn(await response.text()) : null;
  if (keys === null) throw rejected(response.status);
  return keys;
}

/** An accepted message has an id, also when it was recognised as a duplicate; a refused one has `error` instead. */
function isAccepted(result: unknown): boolean {
  if (typeof result !== 'object' || result === null) return false;
  return 'messageId' in result && typeof result.messageId === 'string' && result.messageId !== '';
}

/** The SDK takes no signal and waits for minutes: what comes later than `ms` is ignored. */
async function withinTime<T>(call: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('timeout')), ms);
  });
  return Promise.race([call, late]).finally(() => clearTimeout(timer));
}

function refused(count: number, of: number): AppError {
  return new AppError('queue-unavailable', `QStash refused ${count} of ${of} messages of a batch`, {
    hint: 'Look at the limits of the QStash plan, and check that PUBLIC_URL is an address that QStash can reach.',
    transient: true,
  });
}

/** Keeps the vendor's text out of the message: it may quote what was sent. */
function toQueueError(error: unknown, clock: Clock): AppError {
  if (error instanceof QstashDailyRatelimitError) {
    return new AppError('queue-unavailable', "QStash's daily message quota is used up", {
      hint: 'Wait until the quota is renewed (midnight UTC) or change the QStash plan; --local works without the queue.',
    });
  }
  if (error instanceof QstashRatelimitError) {
    return new AppError('queue-unavailable', 'QStash is limiting the rate of requests', {
      hint: 'Try again in a few seconds; on the command line, --local works without the queue.',
      transient: true,
      ...retryAfter(error.reset, clock),
    });
  }
  const status = error instanceof QstashError ? error.status : undefined;
  return status === undefined || status >= 500 ? unavailable(error, status) : rejected(status);
}

function unavailable(cause: unknown, status: number | undefined): AppError {
  const what = status === undefined ? 'QStash cannot be reached' : `QStash answered with status ${status}`;
  return new AppError('queue-unavailable', what, {
    hint: 'Check QSTASH_URL and https://status.upstash.com, then try again; on the command line, --local works without the queue.',
    transient: true,
    // A QstashError's text is the service's reply; a network error's holds addresses only.
    ...(cause instanceof QstashError ? {} : { cause }),
  });
}

function rejected(status: number): AppError {
  if (status === 401 || status === 403) {
    return new AppError('queue-denied', 'QStash refused the token', {
      hint: 'Set QSTASH_TOKEN to the token of the QStash console, and QSTASH_URL to the region it belongs to; --local works without the queue.',
    });
  }
  return new AppError('queue-unavailable', `QStash refused the request with status ${status}`, {
    hint: 'Check that QSTASH_URL is right, that PUBLIC_URL is a public https address, and the limits of the QStash plan.',
  });
}

/** `reset` is a Unix time in seconds (https://upstash.com/docs/qstash/api/api-ratelimiting). */
function retryAfter(reset: string | null, clock: Clock): { retryAfterMs?: number } {
  const at = Number(reset ?? '');
  return at > 0 ? { retryAfterMs: Math.max(0, at * 1000 - clock.now()) } : {};
}
