import type { DeliveryRecord, QstashFaults } from './faults.js';
import type { Message } from './message.js';
import { post } from './post.js';
import type { Reply } from './post.js';
import { signDelivery } from './signing.js';

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
