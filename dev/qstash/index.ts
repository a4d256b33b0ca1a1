import { randomBytes } from 'node:crypto';
import { serveHttp } from '../stand-in-server.js';
import { answer, type ApiOptions } from './api.js';
import { Broker, type DlqEntry } from './broker.js';
import {
  Courier,
  FaultBox,
  type DeliveryRecord,
  type QstashFaults,
  newSigningKey,
  rotate,
  type SigningKeys,
} from './courier.js';
import { ScheduleBook, viewSchedule } from './schedules.js';

export type { DeliveryRecord, DlqEntry, QstashFaults, SigningKeys };

export interface QstashOptions {
  /** Default: a free port. */
  readonly port?: number;
  /** Default: a random token. */
  readonly token?: string;
  readonly signingKeys?: SigningKeys;
  /** Divides every wait of the vendor: delays, backoff, Retry-After, periods of rates, the deduplication window. */
  readonly speed?: number;
  /** Divides the waits that answers request (Retry-After); default `speed`. 1 for functions that run at normal speed. */
  readonly retryAfterSpeed?: number;
  /** Concurrent deliveries over all keys; default 10, as on the free plan. */
  readonly parallelism?: number;
  /** Timeout of a delivery in real milliseconds; default 15 minutes, as on the free plan. */
  readonly deliveryTimeoutMs?: number;
  /** Real milliseconds that a deduplication id is remembered; default 10 minutes divided by `speed`. */
  readonly dedupWindowMs?: number;
  /** Whether schedules fire by the clock, whatever the speed; default: only by `fireSchedule`. */
  readonly timedSchedules?: boolean;
  readonly faults?: Partial<QstashFaults>;
  /** Source of the random order; default Math.random. */
  readonly random?: () => number;
}

export interface Qstash {
  readonly url: string;
  readonly token: string;
  readonly currentSigningKey: string;
  readonly nextSigningKey: string;
  /** Finished deliveries, oldest first. */
  readonly deliveries: readonly DeliveryRecord[];
  readonly dlq: readonly DlqEntry[];
  /** The schedules, as the API returns them. */
  schedules(): Record<string, unknown>[];
  /** Publishes a message of this schedule now. Returns false when it is paused or does not exist. */
  fireSchedule(id: string): boolean;
  /** How many messages are waiting, in delivery or between two tries. */
  pending(): number;
  /** Resolves as soon as nothing is pending. */
  idle(): Promise<void>;
  /** Sets the given faults; others stay. */
  setFaults(faults: Partial<QstashFaults>): void;
  /** The next key becomes the current one. */
  rotateKeys(): void;
  /** Drops pending messages, aborts deliveries and closes the port. */
  stop(): Promise<void>;
}

/**
 * A stand-in for Upstash QStash on 127.0.0.1, for the local stack and the tests.
 *
 * Modelled: publish and batch with bearer authorisation; delay and not-before; retries with the vendor's backoff, a
 * retry-delay expression or the answer's Retry-After; 489 as the end of retries; deduplication by id or content; flow
 * control by parallelism and rate; callbacks; the DLQ; reading and cancelling messages; schedules (create, get, list, pause,
 * remove, at most ten); rotating signing keys; signatures that the vendor's Receiver accepts; the free plan's limits on size,
 * retries, delay and parallel deliveries; and, on demand, the faults of a queue with at-least-once delivery.
 *
 * Not modelled: durability (all state is in memory), queues, URL groups, logs, retrying from the DLQ, the
 * daily quota, regions, and the vendor's refusal to deliver to loopback addresses.
 */
export async function startQstash(options: QstashOptions = {}): Promise<Qstash> {
  const speed = options.speed ?? 1;
  const token = options.token ?? randomBytes(24).toString('base64url');
  let keys = options.signingKeys ?? { current: newSigningKey(), next: newSigningKey() };
  const faults = new FaultBox(options.faults ?? {});
  const courier = new Courier({
    deliveryTimeoutMs: options.deliveryTimeoutMs ?? 15 * 60_000,
    faults: faults.get,
    signingKey: () => keys.current,
  });
  const broker = new Broker({
    courier,
    faults: faults.get,
    speed,
    retryAfterSpeed: options.retryAfterSpeed ?? speed,
    parallelism: options.parallelism ?? 10,
    dedupWindowMs: options.dedupWindowMs ?? 600_000 / speed,
    random: options.random ?? Math.random,
  });
  const book = new ScheduleBook(broker, options.timedSchedules ?? false);
  const api: ApiOptions = {
    broker,
    schedules: book,
    faults,
    token,
    keys: { get: () => keys, set: (rotated) => (keys = rotated) },
  };
  const server = await serveHttp((request, response) => answer(api, request, response), options.port);
  return {
    url: server.url,
    token,
    get currentSigningKey() {
      return keys.current;
    },
    get nextSigningKey() {
      return keys.next;
    },
    deliveries: courier.deliveries,
    dlq: broker.dlq,
    schedules: () => book.list().map(viewSchedule),
    fireSchedule: (id) => book.fire(id),
    pending: () => broker.ids().length,
    idle: () => broker.idle(),
    setFaults: (changed) => faults.set(changed),
    rotateKeys: () => (keys = rotate(keys)),
    async stop() {
      book.stop();
      broker.stop();
      courier.stop();
      await server.stop();
    },
  };
}
