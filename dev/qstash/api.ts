import type { IncomingMessage, ServerResponse } from 'node:http';
import { bodyOf } from '../stand-in-server.js';
import { type Broker, viewMessage } from './broker.js';
import { type FaultBox, rotate, type SigningKeys } from './courier.js';
import { readMessage, Refusal, type Message } from './message.js';
import { viewSchedule, type ScheduleBook } from './schedules.js';

/** A request with path and query as they were sent, and header names in lower case. */
interface ApiRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

interface ApiReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export interface ApiOptions {
  readonly broker: Broker;
  readonly schedules: ScheduleBook;
  readonly faults: FaultBox;
  readonly token: string;
  readonly keys: { get(): SigningKeys; set(keys: SigningKeys): void };
}

const PUBLISH = '/v2/publish/';
const SCHEDULES = '/v2/schedules/';
const NOT_FOUND: ApiReply = { status: 404, body: { error: 'not found' } };

/** Answers the modelled REST calls of QStash (https://upstash.com/docs/qstash/api). */
export async function answer(options: ApiOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { body, headers, status } = replyTo(options, request, await bodyOf(request));
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

function replyTo(options: ApiOptions, request: IncomingMessage, body: Buffer): ApiReply {
  const { method = 'GET', url: target = '/' } = request;
  const publishing = method === 'POST' && /^\/v2\/(publish\/|batch$|schedules\/)/.test(target);
  const rejection = publishing ? options.faults.takeRejection() : null;
  if (rejection !== null) return { ...rejection, body: rejection.body ?? { error: 'rejected' } };
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  if (headers.authorization !== `Bearer ${options.token}`) return { status: 401, body: { error: 'unauthorized' } };
  try {
    return route(options, { method, target, headers, body });
  } catch (error) {
    if (error instanceof Refusal) return { status: error.status, body: { error: error.message } };
    throw error;
  }
}

function route(options: ApiOptions, request: ApiRequest): ApiReply {
  const { method, target } = request;
  // The destination is the unchanged rest of the target, including its query.
  if (method === 'POST' && target.startsWith(PUBLISH)) {
    return publish(options.broker, readMessage(target.slice(PUBLISH.length), request.headers, request.body));
  }
  if (method === 'POST' && target.startsWith(SCHEDULES)) {
    const order = options.schedules.create(target.slice(SCHEDULES.length), request.headers, request.body);
    return { status: 201, body: { scheduleId: order.id } };
  }
  const url = new URL(target, 'http://localhost');
  const [version, resource, id, ...rest] = url.pathname.split('/').slice(1);
  if (version === 'v2' && resource === 'schedules') return schedules(options.schedules, method, id, rest);
  if (version !== 'v2' || rest.length > 0) return NOT_FOUND;
  if (resource === 'batch' && method === 'POST') return batch(options, request.body);
  if (resource === 'keys') return signingKeys(options, method, id);
  if (resource === 'messages') return messages(options.broker, method, id, url.searchParams);
  if (resource === 'dlq') return deadLetters(options.broker, method, id, url.searchParams);
  return NOT_FOUND;
}

function publish(broker: Broker, message: Message): ApiReply {
  const { messageId, deduplicated } = broker.publish(message);
  const body = { messageId, url: message.url, ...(deduplicated ? { deduplicated } : {}) };
  return { status: deduplicated ? 202 : 201, body };
}

function batch({ broker, faults }: ApiOptions, body: Buffer): ApiReply {
  const items = parseItems(body);
  const results = items.map((item, index) => {
    try {
      if (faults.get().failItem({ index, body: item.body })) throw new Refusal(500, 'internal error');
      return publish(broker, readMessage(item.destination, item.headers, Buffer.from(item.body))).body;
    } catch (error) {
      if (error instanceof Refusal) return { error: error.message };
      throw error;
    }
  });
  return { status: 200, body: results };
}

interface BatchItem {
  readonly destination: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function parseItems(body: Buffer): BatchItem[] {
  try {
    const items = JSON.parse(body.toString('utf8')) as { destination: unknown; headers?: object; body?: unknown }[];
    return items.map((item) => ({
      destination: String(item.destination),
      headers: Object.fromEntries(
        Object.entries(item.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
      ),
      body: typeof item.body === 'string' ? item.body : '',
    }));
  } catch {
    throw new Refusal(400, 'invalid batch request');
  }
}

function signingKeys({ keys }: ApiOptions, method: string, action: string | undefined): ApiReply {
  if (method === 'POST' && action === 'rotate') keys.set(rotate(keys.get()));
  else if (method !== 'GET' || action !== undefined) return NOT_FOUND;
  return { status: 200, body: keys.get() };
}

function schedules(book: ScheduleBook, method: string, id: string | undefined, rest: readonly string[]): ApiReply {
  if (id === undefined) return method === 'GET' ? { status: 200, body: book.list().map(viewSchedule) } : NOT_FOUND;
  const order = book.get(id);
  if (order === undefined) return { status: 404, body: { error: `schedule ${id} not found` } };
  if (method === 'GET' && rest.length === 0) return { status: 200, body: viewSchedule(order) };
  if (method === 'DELETE' && rest.length === 0) return { status: book.remove(id) ? 200 : 404, body: '' };
  const [verb] = rest;
  if (method !== 'PATCH' || (verb !== 'pause' && verb !== 'resume')) return NOT_FOUND;
  order.paused = verb === 'pause';
  return { status: 200, body: '' };
}

function messages(broker: Broker, method: string, id: string | undefined, query: URLSearchParams): ApiReply {
  if (method === 'GET' && id !== undefined) {
    const message = broker.get(id);
    return message === undefined ? NOT_FOUND : { status: 200, body: viewMessage(message) };
  }
  if (method !== 'DELETE') return NOT_FOUND;
  if (id !== undefined) return broker.cancel(id) ? { status: 200, body: { cancelled: 1 } } : NOT_FOUND;
  const ids = query.has('messageIds') ? query.getAll('messageIds') : broker.ids();
  return { status: 200, body: { cancelled: ids.filter((each) => broker.cancel(each)).length } };
}

function deadLetters(broker: Broker, method: string, id: string | undefined, query: URLSearchParams): ApiReply {
  if (method === 'GET' && id === undefined) return listDead(broker, query);
  const index = broker.dlq.findIndex((entry) => entry.dlqId === id);
  if (index < 0) return NOT_FOUND;
  if (method === 'GET') return { status: 200, body: broker.dlq[index] };
  if (method !== 'DELETE') return NOT_FOUND;
  broker.dlq.splice(index, 1);
  return { status: 200, body: { deleted: 1 } };
}

/** The cursor is a position in the list; it stays valid while nothing is deleted. */
function listDead(broker: Broker, query: URLSearchParams): ApiReply {
  const from = Number(query.get('cursor') ?? 0);
  const count = Math.min(100, Number(query.get('count') ?? 100));
  const end = from + count;
  const more = end < broker.dlq.length ? { cursor: String(end) } : {};
  return { status: 200, body: { messages: broker.dlq.slice(from, end), ...more } };
}
