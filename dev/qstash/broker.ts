import { createHash } from 'node:crypto';
import {
  type Message,
  newId,
  evaluateDelay,
  parseRequestedWait,
  defaultBackoff,
  LONGEST_WAIT_MS,
  readMessage,
} from './message.js';
import type { Reply, Courier, QstashFaults } from './courier.js';
import { Schedule } from './schedule.js';

/** A dead letter with the last answer, in the field names of `GET /v2/dlq`. */
export interface DlqEntry extends Readonly<Record<string, unknown>> {
  readonly dlqId: string;
  readonly messageId: string;
  readonly url: string;
  readonly body: string;
  readonly retried: number;
  readonly responseStatus: number;
  readonly responseBody: string;
}

/** A message as `GET /v2/messages/{id}` returns it. */
export function viewMessage(message: Message): Record<string, unknown> & { messageId: string; url: string } {
  const text = message.body.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(message.body);
  return {
    messageId: message.id,
    url: message.url,
    method: message.method,
    header: listHeaders(message.headers),
    ...(isText ? { body: text } : { bodyBase64: message.body.toString('base64') }),
    maxRetries: message.maxRetries,
    createdAt: message.createdAt,
    notBefore: message.createdAt + message.delayMs,
    ...omitNull({
      callback: message.callback,
      failureCallback: message.failureCallback,
      label: message.label,
      retryDelayExpression: message.retryDelay,
      flowControlKey: message.flow?.key ?? null,
      parallelism: message.flow?.parallelism ?? null,
      rate: message.flow?.rate ?? null,
    }),
  };
}

function viewDead(message: Message, reply: Reply): DlqEntry {
  return {
    ...viewMessage(message),
    dlqId: newId('dlq'),
    body: message.body.toString('utf8'),
    retried: message.retried,
    responseStatus: reply.status,
    responseHeader: listHeaders(reply.headers),
    responseBody: reply.error ?? reply.body.toString('utf8'),
  };
}

/** Body of a callback. Source: https://upstash.com/docs/qstash/features/callbacks */
function callbackBody(message: Message, reply: Reply, dlqId: string | null): string {
  return JSON.stringify({
    status: reply.status,
    header: listHeaders(reply.headers),
    body: Buffer.from(reply.error ?? reply.body).toString('base64'),
    retried: message.retried,
    maxRetries: message.maxRetries,
    sourceMessageId: message.id,
    url: message.url,
    method: message.method,
    sourceHeader: listHeaders(message.headers),
    sourceBody: message.body.toString('base64'),
    createdAt: message.createdAt,
    notBefore: message.createdAt + message.delayMs,
    ...omitNull({ dlqId }),
  });
}

function listHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value ?? []].flat()]));
}

function omitNull(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

interface BrokerOptions {
  readonly courier: Courier;
  readonly faults: () => QstashFaults;
  /** Divides all waits except those that an answer requests. */
  readonly speed: number;
  /** Divides the waits that an answer requests. */
  readonly retryAfterSpeed: number;
  /** Concurrent deliveries over all flow-control keys. */
  readonly parallelism: number;
  /** Real milliseconds during which a deduplication id is remembered. */
  readonly dedupWindowMs: number;
  readonly random: () => number;
}

interface Accepted {
  readonly messageId: string;
  readonly deduplicated: boolean;
}

/** Accepts messages, retries failed deliveries, and keeps dead letters. */
export class Broker {
  readonly dlq: DlqEntry[] = [];
  private readonly live = new Map<string, Message>();
  private readonly seen = new Map<string, { readonly messageId: string; readonly until: number }>();
  private readonly schedule: Schedule;
  private idleWaiters: (() => void)[] = [];

  constructor(private readonly options: BrokerOptions) {
    this.schedule = new Schedule({ ...options, start: (message) => this.attempt(message) });
  }

  publish(message: Message): Accepted {
    const id = deduplicationKey(message);
    const now = Date.now();
    const known = id === null ? undefined : this.seen.get(id);
    if (known !== undefined && known.until > now) return { messageId: known.messageId, deduplicated: true };
    if (id !== null) this.remember(id, message.id, now);
    this.live.set(message.id, message);
    this.schedule.after(message, message.delayMs);
    return { messageId: message.id, deduplicated: false };
  }

  get(id: string): Message | undefined {
    return this.live.get(id);
  }

  /** Ids of live messages: waiting, in delivery, or between two tries. */
  ids(): string[] {
    return [...this.live.keys()];
  }

  /** Removes a live message; one in delivery is not delivered again. */
  cancel(id: string): boolean {
    if (!this.live.has(id)) return false;
    this.schedule.remove(id);
    this.finish(id);
    return true;
  }

  /** Resolves when no message is live. */
  idle(): Promise<void> {
    if (this.live.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.idleWaiters.push(resolve));
  }

  stop(): void {
    this.schedule.stop();
    for (const id of this.ids()) this.finish(id);
  }

  private remember(id: string, messageId: string, now: number): void {
    for (const [old, { until }] of this.seen) {
      // The map is in order of insertion, so the first entry that has not expired ends the loop.
      if (until > now) break;
      this.seen.delete(old);
    }
    this.seen.delete(id);
    this.seen.set(id, { messageId, until: now + this.options.dedupWindowMs });
  }

  private async attempt(message: Message): Promise<void> {
    const reply = await this.options.courier.deliver(message);
    if (!this.live.has(message.id)) return;
    if (reply.status >= 200 && reply.status < 300) {
      this.callBack(message, message.callback, callbackBody(message, reply, null));
    } else if (isFinal(reply) || message.retried >= message.maxRetries) {
      this.giveUp(message, reply);
    } else {
      const wait = retryWait(message, reply, this.options);
      message.retried++;
      this.schedule.after(message, wait);
      return;
    }
    this.finish(message.id);
  }

  private giveUp(message: Message, reply: Reply): void {
    const entry = viewDead(message, reply);
    this.dlq.push(entry);
    this.callBack(message, message.failureCallback, callbackBody(message, reply, entry.dlqId));
  }

  private callBack(message: Message, url: string | null, body: string): void {
    if (url === null) return;
    const headers = { 'content-type': 'application/json', 'upstash-retries': String(message.maxRetries) };
    this.publish(readMessage(url, headers, Buffer.from(body)));
  }

  private finish(id: string): void {
    this.live.delete(id);
    if (this.live.size > 0) return;
    const waiters = this.idleWaiters;
    this.idleWaiters = [];
    for (const resolve of waiters) resolve();
  }
}

/** 489 with its header: the destination requests no retry. */
function isFinal(reply: Reply): boolean {
  return reply.status === 489 && reply.headers['upstash-nonretryable-error'] === 'true';
}

function retryWait(message: Message, reply: Reply, { retryAfterSpeed, speed }: BrokerOptions): number {
  const requested = parseRequestedWait(reply.headers, Date.now());
  if (requested !== null) return (requested * speed) / retryAfterSpeed;
  if (message.retryDelay === null) return defaultBackoff(message.retried + 1);
  return Math.min(LONGEST_WAIT_MS, evaluateDelay(message.retryDelay, message.retried));
}

function deduplicationKey(message: Message): string | null {
  if (message.deduplicationId !== null) return `id:${message.deduplicationId}`;
  if (!message.contentDeduplication) return null;
  const content = JSON.stringify([message.url, message.method, message.headers]);
  return `content:${createHash('sha256').update(content).update(message.body).digest('hex')}`;
}
