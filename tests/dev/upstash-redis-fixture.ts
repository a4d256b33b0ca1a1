import { Redis } from 'ioredis';
import { startRedisServer } from '../../dev/redis-server.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';

export const TOKEN = 'full-token';
/** Bytes; small, so that tests of it are. */
export const LIMIT = 4_096;

export interface Call {
  readonly path?: string;
  readonly method?: string;
  readonly token?: string | null;
  readonly body?: unknown;
  readonly base64?: boolean;
  readonly headers?: Record<string, string>;
}

export interface LocalUpstash {
  readonly standIn: UpstashRedisStandIn;
  readonly redisUrl: string;
  /** Straight to redis-server, past the stand-in. */
  readonly direct: Redis;
  /** One HTTP exchange, as status and parsed body; a request body that is no Buffer goes as JSON. */
  readonly call: (call: Call) => Promise<[status: number, body: unknown]>;
  readonly close: () => Promise<void>;
}

/** The stand-in with a full and a read-only token (`read-token`), over a separate redis-server. */
export async function openLocalUpstash(): Promise<LocalUpstash> {
  const server = await startRedisServer();
  const direct = new Redis(server.url, { protocol: 2 });
  const standIn = await startUpstashRedis({
    redisUrl: server.url,
    token: TOKEN,
    readOnlyToken: 'read-token',
    requestLimitBytes: LIMIT,
  });
  return {
    standIn,
    redisUrl: server.url,
    direct,
    call: (call) => exchange(standIn.url, call),
    async close() {
      direct.disconnect();
      await standIn.stop();
      await server.stop();
    },
  };
}

async function exchange(url: string, call: Call): Promise<[number, unknown]> {
  const { path = '/', method = 'POST', token = TOKEN, body, base64 = false, headers = {} } = call;
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(base64 ? { 'upstash-encoding': 'base64' } : {}),
      ...headers,
    },
    ...(body === undefined ? {} : { body: Buffer.isBuffer(body) ? body : JSON.stringify(body) }),
  });
  return [response.status, JSON.parse(await response.text())];
}
