import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { Webhook } from 'standardwebhooks';
import { serveHttp, type HttpServer } from '../../dev/stand-in-server.js';
import { inProcessQueue, drive, jsonLog } from '../../lib/app/in-process.js';
import { standardWebhooks } from '../../lib/services/standard-webhooks.js';
import { AppError } from '../../lib/errors.js';
import { withErrorResponse } from '../../lib/http/responses.js';
import { restoreCall } from '../../lib/http/restore.js';
import type { Json } from '../../lib/json.js';
import type { Queue, QueueMessage } from '../../lib/ports/queue.js';
import { restoreInputSchema } from '../../lib/restore/model.js';
import type { RestoreRequest } from '../../lib/restore/start.js';
import { createEngine, type Engine } from '../../lib/runs/engine.js';
import type { Budget } from '../../lib/runs/attempt.js';
import type { RunDefinition } from '../../lib/runs/model.js';
import { folderStore } from '../support/folder-store.js';
import { manualClock, type ManualClock } from '../support/clocks.js';

export const SNAPSHOT = '20261122T020000Z-00abcd';
/** A snapshot that is not there. */
export const GONE = '20261121T020000Z-00abcd';
const PROGRESS = { done: 0, total: 1, unit: 'keys', bytes: 0 } as const;

/** The object that says of a webhook's id that it was used. */
export function usedName(id: string): string {
  return `webhooks/sha256-${createHash('sha256').update(id).digest('hex')}.json`;
}

export type Headers = Record<string, string>;

/** The call behind a real HTTP server, over a real engine and a real folder; what is restored is nothing. */
export interface WebhookRig {
  readonly url: string;
  readonly clock: ManualClock;
  readonly engine: Engine;
  /** What was asked for, once it was let in and understood. */
  readonly asked: RestoreRequest[];
  /** What was handed to the queue. */
  readonly published: QueueMessage[];
  /** Everything that was logged. */
  logged(): string;
  /** The headers of a genuine request; `with` is the secret, the first by default. */
  sign(body: string, id?: string, secret?: string): Headers;
  post(body: string, headers: Headers): Promise<Response>;
  /** Signs and posts. */
  send(body: object, id?: string): Promise<Response>;
  /** Calls the handler without a server in between. */
  handle(request: Request): Promise<Response>;
  /** What one attempt may take. */
  budget(): Budget;
  /** The names of all objects in the store. */
  names(): Promise<string[]>;
  read(name: string): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

export type Work = () => Promise<'succeeded' | 'incomplete'>;

export interface RigOptions {
  /** Whether a queue takes the runs; else they are worked on within the call. */
  readonly queued: boolean;
  /** Called when the queue is handed a message. */
  readonly onPublish?: (message: QueueMessage) => void | Promise<void>;
  /** What the run does, until it returns its end. */
  readonly work?: Work;
}

export const SECRETS = [1, 2].map(() => `whsec_${randomBytes(32).toString('base64')}`);

export async function openWebhookRig(options: RigOptions): Promise<WebhookRig> {
  const folder = await folderStore();
  const clock = manualClock();
  const lines: string[] = [];
  const log = jsonLog((line) => lines.push(line));
  const published: QueueMessage[] = [];
  const asked: RestoreRequest[] = [];
  const local = inProcessQueue();
  const queue: Queue = {
    ...local,
    async publish(messages) {
      const at = messages.find(({ delaySeconds }) => delaySeconds === 0);
      if (at !== undefined) await options.onPublish?.(at);
      published.push(...messages);
      await local.publish(messages);
    },
  };
  const ports = { clock, log, queue, store: folder.store };
  const times = { attemptTtlMs: 60_000, holdMs: 600_000 };
  const engine = createEngine(ports, [nothing(options.work ?? (() => Promise.resolve('succeeded')))], times);
  const app = {
    ports,
    engine,
    queued: options.queued,
    work: (id: string, budget: Budget) => drive(engine, clock, () => local.take(), id, budget),
  };
  const verifier = standardWebhooks({ secret: SECRETS.join(' '), clock });
  const action = restoreCall({
    prepare: (_app: typeof app, request) => prepare(asked, request),
    start: (starting, input: Json) => starting.start({ kind: 'restore', input, checkpoint: 0, progress: PROGRESS }),
  });
  const handle = (request: Request): Promise<Response> => {
    return withErrorResponse(log, () => action(app, request, rig.budget(), verifier));
  };
  const { url, stop } = await serve(handle);
  const rig: WebhookRig = {
    url,
    clock,
    engine,
    asked,
    published,
    logged: () => lines.join(''),
    sign(body, id = 'msg_1', secret = SECRETS[0] ?? '') {
      const at = new Date(clock.now());
      const seconds = String(Math.floor(clock.now() / 1000));
      const signature = new Webhook(secret).sign(id, at, body);
      return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signature };
    },
    post: (body, headers) => fetch(url, { method: 'POST', body, headers }),
    send: (body, id) => rig.post(JSON.stringify(body), rig.sign(JSON.stringify(body), id)),
    handle,
    budget: () => ({
      deadline: clock.now() + 60_000,
      lastAttempt: !options.queued,
      interrupt: new AbortController().signal,
    }),
    async names() {
      const names: string[] = [];
      for await (const { name } of folder.store.list('')) names.push(name);
      return names;
    },
    async read(name) {
      const found = await folder.store.read(name);
      return JSON.parse(found?.body.toString('utf8') ?? 'null') as Record<string, unknown>;
    },
    async close() {
      await stop();
      await folder.remove();
    },
  };
  return rig;
}

function prepare(asked: RestoreRequest[], request: RestoreRequest): Promise<Json> {
  asked.push(request);
  if (request.snapshot === GONE)
    return Promise.reject(new AppError('not-found', 'There is no such snapshot', { hint: 'Look.' }));
  return Promise.resolve(restoreInputSchema.parse({ ...request, snapshot: SNAPSHOT, settle: request.settle ?? true }));
}

function nothing(work: Work): RunDefinition {
  const step = async () => ({ to: 'end', state: await work(), result: null, error: null }) as const;
  return {
    kind: 'restore',
    lease: 'database',
    firstPhase: 'work',
    words: {},
    phases: { work: { type: 'serial', step } },
  };
}

async function serve(handle: (request: Request) => Promise<Response>): Promise<HttpServer> {
  const { stop, url } = await serveHttp(async (incoming, outgoing) => {
    const response = await handle(toRequest(incoming));
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  });
  return { url: `${url}/api/webhooks/restore`, stop };
}

function toRequest(incoming: IncomingMessage): Request {
  const headers = Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]);
  const body = Readable.toWeb(incoming) as ReadableStream<Uint8Array>;
  return new Request('http://127.0.0.1/api/webhooks/restore', { method: 'POST', headers, body, duplex: 'half' });
}
