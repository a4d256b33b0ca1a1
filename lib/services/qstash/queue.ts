import { Client, Receiver, type PublishRequest, type FlowControl } from '@upstash/qstash';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Queue, QueueMessage, QueueFlow, QueueHealth } from '../../ports/queue.js';
import { limited, rejected, toQueueError, unavailable, withinTime } from './failures.js';
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
    // Without it the SDK would obey QSTASH_DEV of the environment and talk to a server that it chooses.
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
 * The keys that the service signs with, which a token alone is enough to ask for. Throws `queue-denied` or `queue-unavailable`.
 */
export function qstashSigningKeys(
  options: Pick<QstashQueueOptions, 'url' | 'token' | 'clock' | 'retry' | 'timeoutMs'>,
): Promise<SigningKeys> {
  return withRetry(options.clock, () => fetchSigningKeys(options), options.retry ?? DEFAULT_RETRY);
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
async function fetchSigningKeys({
  clock,
  url,
  token,
  timeoutMs,
}: Pick<QstashQueueOptions, 'clock' | 'url' | 'token' | 'timeoutMs'>): Promise<SigningKeys> {
  // As the SDK does it, so that an address which that cannot use does not pass here.
  const base = (url ?? DEFAULT_URL).replace(/\/$/, '');
  const { headers, json, status } = await callRest(
    { method: 'GET', url: `${base}/v2/keys`, headers: { authorization: `Bearer ${token}` } },
    timeoutMs ?? 15_000,
    (_, cause) => unavailable(cause, undefined),
  );
  if (status >= 500) throw unavailable(undefined, status);
  if (status === 429) throw limited(parseRetryAfter(headers.get('retry-after'), clock.now()));
  const keys = status === 200 ? answerSchema.safeParse(json).data : undefined;
  if (keys === undefined) throw rejected(status);
  return keys;
}

/** An accepted message has an id, also when it was recognised as a duplicate; a refused one has `error` instead. */
function isAccepted(result: unknown): boolean {
  if (typeof result !== 'object' || result === null) return false;
  return 'messageId' in result && typeof result.messageId === 'string' && result.messageId !== '';
}

function refused(count: number, of: number): AppError {
  return new AppError('queue-unavailable', `QStash refused ${count} of ${of} messages of a batch`, {
    hint: 'Look at the limits of the QStash plan, and check that PUBLIC_URL is an address that QStash can reach.',
    transient: true,
  });
}

/** A flow as QStash takes it (upstash.com/docs/qstash/features/flowcontrol). */
function toFlowControl({ key, parallelism, rate }: QueueFlow): FlowControl {
  return rate === null ? { key, parallelism } : { key, parallelism, rate: rate.count, period: rate.periodSeconds };
}

const answerSchema = z.object({ current: z.string(), next: z.string() });

/** The two keys that QStash may sign with: it signs with `current` until the keys are rotated, and then with `next`. */
type SigningKeys = z.infer<typeof answerSchema>;

function compareKeys(
  ours: { readonly currentSigningKey: string; readonly nextSigningKey: string },
  theirs: SigningKeys,
): QueueHealth['signingKeys'] {
  const { currentSigningKey, nextSigningKey } = ours;
  if (theirs.current === currentSigningKey && theirs.next === nextSigningKey) return 'same';
  return theirs.current === currentSigningKey || theirs.current === nextSigningKey ? 'stale' : 'different';
}
