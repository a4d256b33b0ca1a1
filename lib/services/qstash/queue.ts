import { Client, Receiver, type PublishRequest, type FlowControl } from '@upstash/qstash';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Queue, QueueMessage, QueueFlow, QueueHealth } from '../../ports/queue.js';
import { rateLimitError, refusalError, toQueueError, unavailableError, withinTime } from './failures.js';
import { callRest } from '../rest.js';
import { dropVendorLines } from '../vendor-lines.js';
import { DEFAULT_RETRY, parseRetryAfter, type RetryPolicy, withRetry } from '../retry.js';
import { z } from 'zod';

export interface QstashQueueOptions {
  /** Address of the service; default the vendor's, `https://qstash.upstash.io`. */
  readonly url?: string;
  readonly token: string;
  readonly currentSigningKey: string;
  readonly nextSigningKey: string;
  /** Full address of our task endpoint; signatures cover it. */
  readonly endpoint: string;
  readonly clock: Clock;
  readonly retry?: RetryPolicy;
  /** Retries of a failed delivery; default 3, the most that the free plan allows. */
  readonly retries?: number;
  /** After how many milliseconds a call to the service counts as failed; default 15,000. */
  readonly timeoutMs?: number;
}

const DEFAULT_URL = 'https://qstash.upstash.io';
/** Most messages in one batch request. */
const BATCH_COUNT = 100;
/** Most bytes of bodies in one batch request: below the service's limit of 1 MB, with room for headers. */
const BATCH_BYTES = 700_000;
/** How far the service's clock and ours may be apart, in seconds, when a signature's times are checked. */
const CLOCK_TOLERANCE_SECONDS = 5;

/**
 * Queue over Upstash QStash (https://upstash.com/docs/qstash). Messages are POSTed unchanged, as application/json.
 * A batch may be accepted in part: refused messages are sent again, and the deduplication id prevents a second delivery
 * of a message that was accepted after all.
 */
export function qstashQueue(options: QstashQueueOptions): Queue {
  const { clock, endpoint, token } = options;
  dropVendorLines();
  const client = new Client({
    baseUrl: options.url ?? DEFAULT_URL,
    token,
    // Otherwise the SDK would obey QSTASH_DEV of the environment and use a server that it chooses.
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
      for (const batch of splitIntoBatches(messages)) {
        let remaining = batch;
        const send = async (): Promise<void> => {
          remaining = await publishOnce(remaining);
          if (remaining.length > 0) throw batchRefusedError(remaining.length, batch.length);
        };
        await withRetry(clock, send, options.retry ?? DEFAULT_RETRY);
      }
    },

    async verify({ body, signature, url = endpoint }) {
      if (signature === null || signature === '') return false;
      return receiver.verify({ body, signature, url, clockTolerance: CLOCK_TOLERANCE_SECONDS }).then(
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

/**
 * The service's signing keys; reading them needs the token alone. Throws `queue-denied` or `queue-unavailable`.
 */
export function qstashSigningKeys(
  options: Pick<QstashQueueOptions, 'url' | 'token' | 'clock' | 'retry' | 'timeoutMs'>,
): Promise<SigningKeys> {
  return withRetry(options.clock, () => fetchSigningKeys(options), options.retry ?? DEFAULT_RETRY);
}

/** Splits by count and by bytes; a message over the byte limit is sent alone, and the service accepts or refuses it. */
function* splitIntoBatches(messages: readonly QueueMessage[]): Generator<QueueMessage[]> {
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

/** The SDK has no such call: GET /v2/keys (https://upstash.com/docs/qstash/api/signingKeys/get). */
async function fetchSigningKeys({
  clock,
  url,
  token,
  timeoutMs,
}: Pick<QstashQueueOptions, 'clock' | 'url' | 'token' | 'timeoutMs'>): Promise<SigningKeys> {
  // The SDK does the same, so an address that the SDK cannot use fails here as well.
  const base = (url ?? DEFAULT_URL).replace(/\/$/, '');
  const { headers, json, status } = await callRest(
    { method: 'GET', url: `${base}/v2/keys`, headers: { authorization: `Bearer ${token}` } },
    timeoutMs ?? 15_000,
    (_, cause) => unavailableError(cause, undefined),
  );
  if (status >= 500) throw unavailableError(undefined, status);
  if (status === 429) throw rateLimitError(parseRetryAfter(headers.get('retry-after'), clock.now()));
  const keys = status === 200 ? signingKeysSchema.safeParse(json).data : undefined;
  if (keys === undefined) throw refusalError(status);
  return keys;
}

/** An accepted message has an id, even as a recognised duplicate; a refused one has `error` instead. */
function isAccepted(result: unknown): boolean {
  if (typeof result !== 'object' || result === null) return false;
  return 'messageId' in result && typeof result.messageId === 'string' && result.messageId !== '';
}

function batchRefusedError(count: number, of: number): AppError {
  return new AppError('queue-unavailable', `QStash refused ${count} of ${of} messages of a batch`, {
    hint: 'Check the limits of the QStash plan, and that PUBLIC_URL is an address that QStash can reach.',
    transient: true,
  });
}

/** A flow in the form of QStash (upstash.com/docs/qstash/features/flowcontrol). */
function toFlowControl({ key, parallelism, rate }: QueueFlow): FlowControl {
  return rate === null ? { key, parallelism } : { key, parallelism, rate: rate.count, period: rate.periodSeconds };
}

const signingKeysSchema = z.object({ current: z.string(), next: z.string() });

/** The two keys that QStash may sign with: it signs with `current` until the keys are rotated, and then with `next`. */
type SigningKeys = z.infer<typeof signingKeysSchema>;

function compareKeys(
  ours: { readonly currentSigningKey: string; readonly nextSigningKey: string },
  theirs: SigningKeys,
): QueueHealth['signingKeys'] {
  const { currentSigningKey, nextSigningKey } = ours;
  if (theirs.current === currentSigningKey && theirs.next === nextSigningKey) return 'same';
  return theirs.current === currentSigningKey || theirs.current === nextSigningKey ? 'stale' : 'different';
}
