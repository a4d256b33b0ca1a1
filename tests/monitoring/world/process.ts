import type { ObjectStore, RedisPort } from '../../../lib/ports/index.js';
import type { WorldClock } from './clock.js';

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
