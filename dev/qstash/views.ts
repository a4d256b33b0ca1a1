import type { Message } from './message.js';
import { newId } from './message.js';
import type { Reply } from './post.js';

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

export function viewDead(message: Message, reply: Reply): DlqEntry {
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
export function callbackBody(message: Message, reply: Reply, dlqId: string | null): string {
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
