import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Message } from './message.js';

/** A record of one delivery. */
export interface DeliveryRecord {
  readonly messageId: string;
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** 0 for the first try of a message. */
  readonly retried: number;
  /** Whether this was the second of two deliveries of one try (fault `twice`). */
  readonly duplicate: boolean;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** Status of the answer; 0 when there was none. */
  readonly status: number;
  /** Whether a good answer was discarded (fault `loseReply`). */
  readonly lost: boolean;
}

/** Faults. All times are real milliseconds, whatever the speed. */
export interface QstashFaults {
  /** Deliver every try twice: the second at the same time as the first, or after its answer. */
  readonly twice: 'together' | 'after' | null;
  /** Hold due messages for `holdMs` and deliver them in another order. */
  readonly order: 'random' | 'reversed' | null;
  readonly holdMs: number;
  /** Delay every delivery. */
  readonly delayMs: number;
  /** Whether the good answer to a delivery gets lost, so that the message is delivered again. */
  readonly loseReply: (delivery: Pick<DeliveryRecord, 'messageId' | 'body' | 'retried'>) => boolean;
  /** Answer publish and batch requests with this: `times` requests, or all without `times`. */
  readonly rejectPublish: PublishRejection | null;
  /** Whether one item of a batch fails while the others are accepted; `index` is its position in the batch. */
  readonly failItem: (item: { readonly index: number; readonly body: string }) => boolean;
}

export interface PublishRejection {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly times?: number;
}

const NO_FAULTS: QstashFaults = {
  twice: null,
  order: null,
  holdMs: 25,
  delayMs: 0,
  loseReply: () => false,
  rejectPublish: null,
  failItem: () => false,
};

/** The active faults, and how often a rejection still applies. */
export class FaultBox {
  private faults: QstashFaults;

  constructor(faults: Partial<QstashFaults>) {
    this.faults = { ...NO_FAULTS, ...faults };
  }

  readonly get = (): QstashFaults => this.faults;

  set(changed: Partial<QstashFaults>): void {
    this.faults = { ...this.faults, ...changed };
  }

  /** The rejection for this publish request, which uses up one of its times; null for none. */
  takeRejection(): PublishRejection | null {
    const { rejectPublish } = this.faults;
    if (rejectPublish?.times === undefined) return rejectPublish;
    if (rejectPublish.times <= 0) return null;
    this.set({ rejectPublish: { ...rejectPublish, times: rejectPublish.times - 1 } });
    return rejectPublish;
  }
}

/** Validity of a signature, in seconds. */
const LIFETIME_SECONDS = 300;

export interface SigningKeys {
  readonly current: string;
  readonly next: string;
}

export function newSigningKey(): string {
  return `sig_${randomBytes(21).toString('base64url')}`;
}

/** The next key becomes the current one, and a new key becomes the next one. */
export function rotate(keys: SigningKeys): SigningKeys {
  return { current: keys.next, next: newSigningKey() };
}

/**
 * The `Upstash-Signature` of a delivery: a JWT (RFC 7519, HS256) over the destination and the SHA-256 of the body.
 * `now` is in milliseconds. Source: https://upstash.com/docs/qstash/howto/signature
 */
export function signDelivery(key: string, url: string, body: Uint8Array, now: number): string {
  const seconds = Math.floor(now / 1000);
  const digest = createHash('sha256').update(body).digest('base64url');
  const claims = {
    iss: 'Upstash',
    sub: url,
    exp: seconds + LIFETIME_SECONDS,
    nbf: seconds,
    iat: seconds,
    jti: `jwt_${randomUUID()}`,
    // The vendor pads this value, unlike the segments of the token.
    body: `${digest}=`,
  };
  const unsigned = `${segment({ alg: 'HS256', typ: 'JWT' })}.${segment(claims)}`;
  return `${unsigned}.${createHmac('sha256', key).update(unsigned).digest('base64url')}`;
}

function segment(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** The answer of the destination; status 0 and a text in `error` when there was none. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly error: string | null;
}

/**
 * One HTTP call to a destination; never throws. node:http, because fetch times out when a function works for more than five
 * minutes.
 */
export function post(message: Message, headers: Record<string, string>, signal: AbortSignal): Promise<Reply> {
  const open = message.url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve) => {
    const fail = (error: Error): void =>
      resolve({ status: 0, headers: {}, body: Buffer.alloc(0), error: error.message });
    const outgoing = { 'user-agent': 'Upstash-QStash', ...headers, 'content-length': String(message.body.length) };
    // No keep-alive: the other side may close an idle connection at any moment, which would count as a failed delivery.
    const call = open(message.url, { method: message.method, headers: outgoing, agent: false, signal }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', fail);
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks), error: null }),
      );
    });
    call.on('error', fail);
    call.end(message.body);
  });
}

/** Records of deliveries that are kept for tests; older ones are dropped. */
const KEPT_DELIVERIES = 20_000;

export interface CourierOptions {
  readonly deliveryTimeoutMs: number;
  readonly faults: () => QstashFaults;
  /** The current signing key. */
  readonly signingKey: () => string;
}

/** Makes the HTTP calls of a try, and records each. */
export class Courier {
  readonly deliveries: DeliveryRecord[] = [];
  private readonly stopped = new AbortController();

  constructor(private readonly options: CourierOptions) {}

  /** Delivers once (twice with the fault `twice`); a lost answer counts as failed. Never throws. */
  async deliver(message: Message): Promise<Reply> {
    const { twice } = this.options.faults();
    const first = this.call(message, false);
    if (twice === 'after') await first;
    if (twice !== null) await this.call(message, true);
    return first;
  }

  /** Aborts all calls. */
  stop(): void {
    this.stopped.abort();
  }

  private async call(message: Message, duplicate: boolean): Promise<Reply> {
    const { loseReply } = this.options.faults();
    const startedAt = Date.now();
    const headers = this.headersOf(message, startedAt);
    const timeout = AbortSignal.timeout(message.timeoutMs ?? this.options.deliveryTimeoutMs);
    const reply = await post(message, headers, AbortSignal.any([this.stopped.signal, timeout]));
    const body = message.body.toString('utf8');
    const facts = { messageId: message.id, body, retried: message.retried };
    const lost = !duplicate && reply.status >= 200 && reply.status < 300 && loseReply(facts);
    this.deliveries.push({
      ...facts,
      url: message.url,
      headers,
      duplicate,
      startedAt,
      endedAt: Date.now(),
      status: reply.status,
      lost,
    });
    if (this.deliveries.length > KEPT_DELIVERIES) this.deliveries.shift();
    return lost ? { ...reply, status: 0, error: 'connection reset before the answer' } : reply;
  }

  private headersOf(message: Message, now: number): Record<string, string> {
    return {
      ...message.headers,
      'upstash-message-id': message.id,
      'upstash-retried': String(message.retried),
      'upstash-signature': signDelivery(this.options.signingKey(), message.url, message.body, now),
      ...(message.label === null ? {} : { 'upstash-label': message.label }),
    };
  }
}
