import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { jest } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import type { Context } from '../../lib/cli/context.js';
import type { Handler } from '../../lib/http/entry.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import { bodyOf, serveHttp } from '../../dev/stand-in-server.js';
import { startGemini } from '../../dev/gemini/index.js';
import { startQstash, type Qstash } from '../../dev/qstash/index.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { startUpstashVector } from '../../dev/upstash-vector/index.js';
import { startReceiver, type Receiver } from '../monitoring/world/parts.js';
import { folderStore } from '../support/folder-store.js';
import { startTestDatabase } from '../support/test-database.js';

export const HOUR = 3_600_000;
const ADMIN = 'an-admin-token-of-32-characters-1';
const CRON = 'a-cron-secret-of-32-characters-12';
/** Waits of retries are so much shorter; longer waits are limits, which are not shortened. */
const PACE = 400;
const LONGEST_RETRY_MS = 4_500;
const CLOCK = '../../lib/services/clock.js';
const FILE_STORE = '../../lib/stores/file/store.js';

export type Part = 'redis' | 'store' | 'queue' | 'index' | 'embedder';

/** The whole product within this process, over stand-ins that can be stopped; time is turned by the hour. */
export interface OutageRig {
  readonly receiver: Receiver;
  stop(part: Part): Promise<void>;
  mend(part: Part): Promise<void>;
  /** Turns the time by so much. */
  turn(ms: number): void;
  /** Calls a function of the deployment. */
  call(path: string, init?: { readonly as?: 'admin' | 'cron'; readonly method?: string }): Promise<Response>;
  /** Until the queue has delivered everything, and no run is under way any more. */
  settled(): Promise<void>;
  /** Has the queue call the guard, if it still does. */
  fireSchedule(): Promise<void>;
  /** `status` of the command line: its exit code, or 1 with the error's code as text, and what it printed. */
  cli(): Promise<{ readonly exit: number; readonly text: string; readonly json: Record<string, unknown> | null }>;
  close(): Promise<void>;
}

let storeIsDown = false;

/** `speed`: how much faster than by the clock the queue's time passes. */
export async function openOutageRig(speed = 100_000): Promise<OutageRig> {
  await mockClockAndStore();
  jest.useFakeTimers({
    now: Date.parse('2026-11-22T10:00:00Z'),
    doNotFake: [
      'hrtime',
      'nextTick',
      'performance',
      'queueMicrotask',
      'setImmediate',
      'clearImmediate',
      'setInterval',
      'clearInterval',
      'setTimeout',
      'clearTimeout',
    ],
  });
  const saved = { ...process.env };
  const log = jest.spyOn(process.stderr, 'write').mockImplementation(() => true);
  const [database, scratch, folder] = await Promise.all([startTestDatabase(), startTestDatabase(), folderStore()]);
  await database.redis.mset(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`key:${n}`, `value ${n}`])));
  const receiver = await startReceiver(() => Date.now());
  const drills = await startUpstashRedis({ redisUrl: scratch.url, token: 'drill' });
  const deployment = await startDeployment();
  const running = new Map<Part, { readonly url: string; stop(): Promise<void> }>();
  const keys = { current: 'sig_current_key_1234567890', next: 'sig_next_key_1234567890' };
  const ports: Partial<Record<Part, number>> = {};
  const starts: Readonly<
    Record<Exclude<Part, 'store'>, (port: object) => Promise<{ url: string; stop(): Promise<void> }>>
  > = {
    redis: (port) => startUpstashRedis({ redisUrl: database.url, token: 'redis', ...port }),
    queue: (port) => startQstash({ token: 'queue', signingKeys: keys, speed, ...port }),
    index: (port) => startUpstashVector({ token: 'index', ...port }),
    embedder: (port) => startGemini({ apiKey: 'embedder', vectors: 'hash', ...port }),
  };
  const start = async (part: Exclude<Part, 'store'>): Promise<void> => {
    const known = ports[part];
    const started = await starts[part](known === undefined ? {} : { port: known });
    ports[part] = Number(new URL(started.url).port);
    running.set(part, started);
  };
  for (const part of Object.keys(starts) as Exclude<Part, 'store'>[]) await start(part);
  const urlOf = (part: Part): string => running.get(part)?.url ?? '';
  Object.assign(process.env, {
    ...{ UPSTASH_REDIS_REST_URL: urlOf('redis'), UPSTASH_REDIS_REST_TOKEN: 'redis' },
    ...{ DRILL_REDIS_REST_URL: drills.url, DRILL_REDIS_REST_TOKEN: 'drill' },
    ...{ QSTASH_URL: urlOf('queue'), QSTASH_TOKEN: 'queue', PUBLIC_URL: deployment.url },
    ...{ QSTASH_CURRENT_SIGNING_KEY: keys.current, QSTASH_NEXT_SIGNING_KEY: keys.next },
    ...{ UPSTASH_VECTOR_REST_URL: urlOf('index'), UPSTASH_VECTOR_REST_TOKEN: 'index' },
    ...{ GEMINI_BASE_URL: urlOf('embedder'), GEMINI_API_KEY: 'embedder' },
    ...{ ADMIN_TOKEN: ADMIN, CRON_SECRET: CRON, PROVIDER_STATUS_URLS: 'off' },
    ...{ BACKUP_STORE: pathToFileURL(folder.folder).href },
    ...{ ALERT_WEBHOOK_URL: receiver.alertUrl, HEARTBEAT_URL: receiver.heartbeatUrl },
  });
  const handlers = await deployment.open();
  const secrets = { admin: ADMIN, cron: CRON };

  return {
    receiver,
    async stop(part) {
      if (part === 'store') storeIsDown = true;
      else await running.get(part)?.stop();
    },
    async mend(part) {
      if (part === 'store') storeIsDown = false;
      else await start(part);
    },
    turn: (ms) => jest.setSystemTime(Date.now() + ms),
    call(path, { as, method = 'GET' } = {}) {
      const headers = as === undefined ? {} : { authorization: `Bearer ${secrets[as]}` };
      return handlers(new Request(`${deployment.url}${path}`, { method, headers }));
    },
    settled: () => (running.get('queue') as unknown as Qstash).idle(),
    async fireSchedule() {
      const queue = running.get('queue') as unknown as Qstash;
      const [schedule] = queue.schedules();
      const before = deployment.answered('/api/schedules/guard');
      if (!queue.fireSchedule(String(schedule?.['scheduleId']))) return;
      while (deployment.answered('/api/schedules/guard') === before) await delay(10);
    },
    async cli() {
      const { status } = await import('../../lib/cli/status.js');
      let [text, json] = ['', null as Record<string, unknown> | null];
      const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
      const context: Context = {
        ...{
          env: { ...process.env },
          json: false,
          onTerminal: false,
          nameInHints: () => undefined,
          interrupt: new AbortController().signal,
          log: quiet,
        },
        print: (line) => void (text += `${line}\n`),
        document: (value) => void (json = value as Record<string, unknown>),
        note: () => undefined,
      };
      const exit = await status(context).catch((error: unknown) => {
        text += error instanceof AppError ? error.code : String(error);
        return 1;
      });
      return { exit, text, json };
    },
    async close() {
      log.mockRestore();
      jest.useRealTimers();
      process.env = saved;
      await Promise.all([...running.values()].map((part) => part.stop().catch(() => undefined)));
      await Promise.all([drills.stop(), receiver.stop(), deployment.close()]);
      await Promise.all([database.stop(), scratch.stop(), folder.remove()]);
    },
  };
}

/** Before anything of the product is loaded: retries wait less, and the folder can be made not to answer. */
async function mockClockAndStore(): Promise<void> {
  const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    const wait = ms > LONGEST_RETRY_MS ? ms : ms / PACE;
    await delay(wait, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) }).catch(() => undefined);
  };
  jest.unstable_mockModule(CLOCK, () => ({
    systemClock: () => ({ now: () => Date.now(), uptime: () => Date.now(), sleep }),
  }));
  const real = await import('../../lib/stores/file/store.js');
  jest.unstable_mockModule(FILE_STORE, () => ({
    ...real,
    fileStore: (options: Parameters<typeof real.fileStore>[0]) => breakable(real.fileStore(options)),
  }));
}

function breakable(store: ObjectStore): ObjectStore {
  const demandUp = (): void => {
    if (storeIsDown) {
      throw new AppError('store-unavailable', 'The store cannot be reached', { hint: 'Wait.', transient: true });
    }
  };
  return {
    read: async (name) => (demandUp(), store.read(name)),
    create: async (name, body) => (demandUp(), store.create(name, body)),
    swap: async (name, body, etag) => (demandUp(), store.swap(name, body, etag)),
    remove: async (name) => (demandUp(), store.remove(name)),
    async *list(prefix) {
      demandUp();
      yield* store.list(prefix);
    },
    async *folders(prefix) {
      demandUp();
      yield* store.folders(prefix);
    },
  };
}

/** The functions of the deployment behind a real address, for what the queue delivers. */
async function startDeployment() {
  let handle: Handler = () => Promise.resolve(new Response(null, { status: 503 }));
  const counts = new Map<string, number>();
  const server = await serveHttp(async (request, response) => {
    const headers = Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]);
    const { method = 'GET', url: path = '/' } = request;
    const bytes = await bodyOf(request);
    const body = method === 'POST' ? { body: bytes.toString() } : {};
    const address = `http://${request.headers.host ?? ''}${path}`;
    const answer = await handle(new Request(address, { method, headers, ...body }));
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
    counts.set(path, (counts.get(path) ?? 0) + 1);
  });
  return {
    url: server.url,
    answered: (path: string): number => counts.get(path) ?? 0,
    async open(): Promise<Handler> {
      // One after another: side by side the test runner loses modules that two of them need.
      const backup = await import('../../lib/http/functions/cron/backup.js');
      const guard = await import('../../lib/http/functions/cron/guard.js');
      const schedule = await import('../../lib/http/functions/schedules/guard.js');
      const tasks = await import('../../lib/http/functions/tasks.js');
      const operator = await import('../../lib/http/functions/operator.js');
      const functions: Readonly<Record<string, Handler>> = {
        '/api/cron/backup': backup.GET,
        '/api/cron/guard': guard.GET,
        '/api/schedules/guard': schedule.POST,
        '/api/tasks': tasks.POST,
      };
      handle = (request) => (functions[new URL(request.url).pathname] ?? operator.GET)(request);
      return handle;
    },
    close: server.stop,
  };
}
