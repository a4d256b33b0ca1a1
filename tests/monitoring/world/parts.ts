import type { Clock } from '../../../lib/ports/clock.js';
import type { ObjectStore, RedisPort } from '../../../lib/ports/index.js';
import { AppError } from '../../../lib/errors.js';
import type { Queue } from '../../../lib/ports/queue.js';
import { bodyOf, serveHttp } from '../../../dev/stand-in-server.js';
import type { AlertNotice } from '../../../lib/ports/alerter.js';

/** Time as the world has it, and as the program's own clock shows it. */
export interface WorldClock extends Clock {
  /** The world's time. */
  true(): number;
  /** Puts the program's clock so far ahead of the world's; a negative number puts it back. */
  skew(ms: number): void;
  /** Lets the world's time pass until then. Who sleeps until an earlier time wakes. */
  passUntil(time: number): Promise<void>;
}

export function worldClock(start: number): WorldClock {
  let time = start;
  let ahead = 0;
  let sleepers: { readonly until: number; readonly wake: () => void }[] = [];
  return {
    now: () => time + ahead,
    uptime: () => time,
    true: () => time,
    skew: (ms) => void (ahead = ms),
    sleep(ms, signal) {
      if (signal?.aborted === true) return Promise.resolve();
      return new Promise((resolve) => {
        sleepers.push({ until: time + ms, wake: resolve });
        signal?.addEventListener('abort', () => resolve());
      });
    },
    async passUntil(until) {
      time = Math.max(time, until);
      const due = sleepers.filter((sleeper) => sleeper.until <= time);
      sleepers = sleepers.filter((sleeper) => sleeper.until > time);
      for (const { wake } of due) wake();
      if (due.length > 0) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** One process, which can die: what it asks for then is never answered, and whatever it does has no effect. */
export interface Life {
  alive: boolean;
  /** Ends when the process dies. */
  readonly death: Promise<void>;
  die(): void;
}

export function newLife(): Life {
  let end = (): void => undefined;
  const death = new Promise<void>((resolve) => (end = resolve));
  const life: Life = {
    alive: true,
    death,
    die() {
      life.alive = false;
      end();
    },
  };
  return life;
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

/** The store as a process sees it as long as it lives. */
export function mortalStore(store: ObjectStore, life: Life): ObjectStore {
  return {
    ...store,
    read: (name) => (life.alive ? store.read(name) : never()),
    create: (name, body) => (life.alive ? store.create(name, body) : never()),
    swap: (name, body, etag) => (life.alive ? store.swap(name, body, etag) : never()),
    remove: (name) => (life.alive ? store.remove(name) : never()),
  };
}

/** How the protected database behaves. */
export interface Weather {
  /** Each request takes so long. */
  latencyMs: number;
  /** What each request throws. */
  error: Error | null;
  /** The process dies over its first request. */
  deadly: boolean;
}

export function weatheredRedis(redis: RedisPort, life: Life, clock: WorldClock, weather: Weather): RedisPort {
  const under = async <T>(call: () => Promise<T>): Promise<T> => {
    if (weather.deadly) life.die();
    if (!life.alive) return never();
    if (weather.error !== null) throw weather.error;
    if (weather.latencyMs > 0) await clock.passUntil(clock.true() + weather.latencyMs);
    return call();
  };
  return {
    host: redis.host,
    pipeline: (commands) => under(() => redis.pipeline(commands)),
    transaction: (commands) => under(() => redis.transaction(commands)),
    usage: () => redis.usage(),
  };
}

/** Of QStash: messages with one id within the window are one; the waits before the second, third and fourth try. */
const WINDOW_MS = 10 * 60_000;
const RETRY_MS = [12_000, 148_000, 1_800_000];

interface Waiting {
  readonly body: string;
  readonly at: number;
  readonly tries: number;
}

/** A queue in the world's time. */
export interface WorldQueue extends Queue {
  /** Everything that is published or waits from now on is lost. */
  losing: boolean;
  /** Nothing can be published. */
  refusing: boolean;
  /** When the next message is due; null for none. */
  nextAt(): number | null;
  /** Hands over what is due; a delivery that returns false comes again later, three times. */
  deliver(to: (body: string) => Promise<boolean>): Promise<void>;
}

export function worldQueue(clock: WorldClock): WorldQueue {
  let waiting: Waiting[] = [];
  const seen = new Map<string, number>();
  const queue: WorldQueue = {
    losing: false,
    refusing: false,
    publish(messages) {
      if (queue.refusing) {
        return Promise.reject(
          new AppError('queue-unavailable', 'The queue is down', { hint: 'Wait.', transient: true }),
        );
      }
      const now = clock.true();
      for (const { body, deduplicationId, delaySeconds } of messages) {
        const double = now - (seen.get(deduplicationId) ?? Number.NEGATIVE_INFINITY) < WINDOW_MS;
        if (!double && !queue.losing) waiting.push({ body, at: now + delaySeconds * 1000, tries: 0 });
        seen.set(deduplicationId, now);
      }
      return Promise.resolve();
    },
    verify: () => Promise.resolve(true),
    health: () => Promise.resolve({ signingKeys: 'same' }),
    nextAt: () => (waiting.length === 0 ? null : Math.min(...waiting.map(({ at }) => at))),
    async deliver(to) {
      if (queue.losing) waiting = [];
      const due = waiting.filter(({ at }) => at <= clock.true());
      waiting = waiting.filter(({ at }) => at > clock.true());
      for (const message of due) {
        const wait = RETRY_MS[message.tries];
        if ((await to(message.body)) || wait === undefined) continue;
        waiting.push({ ...message, at: clock.true() + wait, tries: message.tries + 1 });
      }
    },
  };
  return queue;
}

interface Received {
  readonly at: number;
  readonly text: string;
  readonly alerts: readonly AlertNotice[];
}

/** Takes alerts and pings over HTTP, as Slack and healthchecks.io would. */
export interface Receiver {
  readonly alertUrl: string;
  readonly heartbeatUrl: string;
  readonly messages: readonly Received[];
  readonly pings: readonly { readonly at: number; readonly signal: string }[];
  /** Status of the answers to alerts. */
  status: number;
  /** Keys `code subject` of the alerts that are open, going by what was received. */
  open(): Set<string>;
  stop(): Promise<void>;
}

/** `now`: the time to put down. */
export async function startReceiver(now: () => number): Promise<Receiver> {
  const messages: Received[] = [];
  const pings: { at: number; signal: string }[] = [];
  const keys = new Set<string>();
  /** A message whose sender died before it could note that it was sent comes again under its key. */
  const isNew = (key: string | string[] | undefined): boolean =>
    typeof key !== 'string' || (!keys.has(key) && keys.add(key).size > 0);
  const server = await serveHttp(async (request, response) => {
    const body = (await bodyOf(request)).toString();
    const path = request.url ?? '';
    // A look at whether the host is there is neither a message nor a ping.
    if (path === '/') response.writeHead(200).end('ok');
    if (response.writableEnded) return;
    if (path.startsWith('/ping')) pings.push({ at: now(), signal: path.slice('/ping'.length) || '/success' });
    else if (receiver.status < 300 && isNew(request.headers['idempotency-key']))
      messages.push({ at: now(), ...(JSON.parse(body) as Omit<Received, 'at'>) });
    response.writeHead(path.startsWith('/ping') ? 200 : receiver.status);
    response.end('ok');
  });
  const base = server.url;
  const receiver: Receiver = {
    alertUrl: `${base}/services/T0/B0/secret-of-the-hook`,
    heartbeatUrl: `${base}/ping`,
    messages,
    pings,
    status: 200,
    open() {
      const open = new Set<string>();
      for (const { event, code, subject } of messages.flatMap(({ alerts }) => alerts)) {
        if (event === 'test') continue;
        if (event === 'recovered') open.delete(`${code} ${subject}`);
        else open.add(`${code} ${subject}`);
      }
      return open;
    },
    stop: server.stop,
  };
  return receiver;
}
