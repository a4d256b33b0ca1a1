import {
  Client,
  QstashDailyRatelimitError,
  QstashError,
  QstashRatelimitError,
  Receiver,
  type FlowControl,
  type PublishRequest,
} from '@upstash/qstash';
import { z } from 'zod';
import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { Queue, QueueFlow, QueueHealth, QueueMessage, Schedules } from '../ports/queue.js';
import { callRest } from './rest.js';
import { parseRetryAfter, withRetry, type RetryPolicy } from './retry.js';

interface QstashOptions {
  /** Address of the service; default the vendor's, `https://qstash.upstash.io`. */
  readonly url?: string;
  readonly token: string;
  readonly clock: Clock;
  readonly retry?: RetryPolicy;
  /** After how many milliseconds a call to the service counts as failed; default 15,000. */
  readonly timeoutMs?: number;
}

export interface QstashQueueOptions extends QstashOptions {
  readonly currentSigningKey: string;
  readonly nextSigningKey: string;
  /** Full address of our task endpoint; signatures cover it. */
  readonly endpoint: string;
  /** Retries of a failed delivery; default 3, the most that the free plan allows. */
  readonly retries?: number;
}

const DEFAULT_URL = 'https://qstash.upstash.io';
const TIMEOUT_MS = 15_000;
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
  const { clock, endpoint } = options;
  const client = openClient(options);
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
    const results: readonly unknown[] = await callSdk(options, client.batch(messages.map(toRequest)));
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
        await withRetry(clock, send, options.retry);
      }
    },

    async verify({ body, signature, url = endpoint }) {
      if (signature === null || signature === '') return false;
      return receiver.verify({ body, signature, url, clockTolerance: CLOCK_TOLERANCE_SECONDS }).then(
        () => true,
        () => false,
      );
    },

    health: async () => ({ signingKeys: compareKeys(options, await qstashSigningKeys(options)) }),
  };
}

/** The body that a schedule delivers; the signature covers it. */
const SCHEDULE_BODY = '{}';
/** A failed delivery is repeated once; the schedule brings the next one. Each attempt counts as a message of the plan's day. */
const SCHEDULE_RETRIES = 1;

/** Schedules of Upstash QStash (https://upstash.com/docs/qstash/features/schedules). */
export function qstashSchedules(options: QstashOptions): Schedules {
  const client = openClient(options);
  const call = <T>(work: () => Promise<T>): Promise<T> =>
    withRetry(options.clock, () => callSdk(options, work()), options.retry);
  return {
    async find(id) {
      const found = await call(() => client.schedules.get(id).catch(nullWhenAbsent));
      if (found === null) return null;
      return { id: found.scheduleId, destination: found.destination, cron: found.cron, paused: found.isPaused };
    },

    async put({ cron, destination, id }) {
      const schedule = { destination, cron, scheduleId: id, body: SCHEDULE_BODY, retries: SCHEDULE_RETRIES };
      await call(() => client.schedules.create({ ...schedule, method: 'POST' }));
    },
  };
}

function nullWhenAbsent(error: unknown): null {
  if (error instanceof QstashError && error.status === 404) return null;
  throw error;
}

const signingKeysSchema = z.object({ current: z.string(), next: z.string() });

/** The two keys that QStash may sign with: it signs with `current` until the keys are rotated, and then with `next`. */
type SigningKeys = z.infer<typeof signingKeysSchema>;

/**
 * The service's signing keys; reading them needs the token alone. Throws `queue-denied` or `queue-unavailable`. The SDK has
 * no such call: GET /v2/keys (https://upstash.com/docs/qstash/api/signingKeys/get).
 */
export function qstashSigningKeys(options: QstashOptions): Promise<SigningKeys> {
  const { clock, timeoutMs = TIMEOUT_MS, token, url = DEFAULT_URL } = options;
  // The SDK does the same, so an address that the SDK cannot use fails here as well.
  const address = `${url.replace(/\/$/, '')}/v2/keys`;
  const request = { method: 'GET', url: address, headers: { authorization: `Bearer ${token}` } } as const;
  const fetchKeys = async (): Promise<SigningKeys> => {
    const { headers, json, status } = await callRest(request, timeoutMs, (_, cause) =>
      unavailableError(cause, undefined),
    );
    if (status >= 500) throw unavailableError(undefined, status);
    if (status === 429) throw rateLimitError(parseRetryAfter(headers.get('retry-after'), clock.now()));
    const keys = status === 200 ? signingKeysSchema.safeParse(json).data : undefined;
    if (keys === undefined) throw refusalError(status);
    return keys;
  };
  return withRetry(clock, fetchKeys, options.retry);
}

function compareKeys(
  { currentSigningKey, nextSigningKey }: QstashQueueOptions,
  theirs: SigningKeys,
): QueueHealth['signingKeys'] {
  if (theirs.current === currentSigningKey && theirs.next === nextSigningKey) return 'same';
  return theirs.current === currentSigningKey || theirs.current === nextSigningKey ? 'stale' : 'different';
}

function openClient({ token, url = DEFAULT_URL }: QstashOptions): Client {
  dropVendorLines();
  // Without `devMode` the SDK would obey QSTASH_DEV of the environment and use a server that it chooses.
  return new Client({ baseUrl: url, token, devMode: false, enableTelemetry: false, retry: false });
}

/** The SDK takes no signal and waits for minutes: an answer that comes after the timeout is ignored. */
async function callSdk<T>({ clock, timeoutMs = TIMEOUT_MS }: QstashOptions, call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('timeout')), timeoutMs);
  });
  return Promise.race([call, late])
    .catch((error: unknown) => {
      throw toQueueError(error, clock);
    })
    .finally(() => clearTimeout(timer));
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

/** The beginning of console lines that vendors' packages write; each such failure is also an error of this program. */
const VENDOR_LINE = /^\[(Upstash|QStash)\b/i;

let isInstalled = false;

/**
 * Keeps the vendors' lines off the console, where they would mix with ours: QStash's SDK writes one for every failed
 * request. All other lines pass. May be called any number of times.
 */
function dropVendorLines(): void {
  if (isInstalled) return;
  isInstalled = true;
  for (const level of ['log', 'warn', 'error'] as const) {
    const write = console[level].bind(console);
    console[level] = (...parts: unknown[]): void => {
      if (typeof parts[0] === 'string' && VENDOR_LINE.test(parts[0])) return;
      write(...parts);
    };
  }
}

/** Keeps the vendor's text out of the message: it may quote what was sent. */
function toQueueError(error: unknown, clock: Clock): AppError {
  if (error instanceof QstashDailyRatelimitError) {
    return new AppError('queue-unavailable', "QStash's daily message quota is used up", {
      hint: 'Wait until the quota is renewed (midnight UTC) or change the QStash plan; --local works without the queue.',
    });
  }
  if (error instanceof QstashRatelimitError) return rateLimitError(msUntilReset(error.reset, clock));
  const status = error instanceof QstashError ? error.status : undefined;
  return status === undefined || status >= 500 ? unavailableError(error, status) : refusalError(status);
}

function rateLimitError(retryAfterMs: number | undefined): AppError {
  return new AppError('queue-unavailable', 'QStash is limiting the rate of requests', {
    hint: 'Try again in a few seconds, or see the limits of the plan in the QStash console for QSTASH_TOKEN; on the command line, --local works without the queue.',
    transient: true,
    retryAfterMs,
  });
}

function unavailableError(cause: unknown, status: number | undefined): AppError {
  const what = status === undefined ? 'QStash cannot be reached' : `QStash answered with status ${status}`;
  return new AppError('queue-unavailable', what, {
    hint: 'Check QSTASH_URL and https://status.upstash.com, then try again; on the command line, --local works without the queue.',
    transient: true,
    // A QstashError's text is the service's reply; a network error's holds addresses only.
    ...(cause instanceof QstashError ? {} : { cause }),
  });
}

function refusalError(status: number): AppError {
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
function msUntilReset(reset: string | null, clock: Clock): number | undefined {
  const at = Number(reset ?? '');
  return at > 0 ? Math.max(0, at * 1000 - clock.now()) : undefined;
}
