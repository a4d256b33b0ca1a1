import type { IncomingMessage, ServerResponse } from 'node:http';
import { bearerOf, bodyOf, serveHttp } from '../stand-in-server.js';
import { openEngine } from './engine.js';
import { execute, refusal, sizeError, type Answer, type Counts, type Execution, commandLimiter } from './execute.js';
import { BadRequest, parseRequest } from './protocol.js';

export interface UpstashRedisOptions {
  /** `redis://...` of the redis-server that keeps the data. */
  readonly redisUrl: string;
  /** The token with all permissions. */
  readonly token: string;
  /** A token that may read, but not list keys. */
  readonly readOnlyToken?: string;
  /** Largest request and largest reply, in bytes. Default 10 MiB, as on most of Upstash's plans. */
  readonly requestLimitBytes?: number;
  /** Most commands within any second; a request over the limit is refused as a whole with HTTP 429. Default: no limit. */
  readonly commandsPerSecond?: number;
  /** The clock of that limit, in milliseconds. Default: the process's. */
  readonly now?: () => number;
  /** Awaited before each authorised request is served, to inject faults at a known point. */
  readonly onRequest?: () => void | Promise<void>;
  /** Default: any free port. */
  readonly port?: number;
}

export interface UpstashRedisStandIn {
  readonly url: string;
  readonly token: string;
  /** Authorised HTTP requests since the start. */
  requestCount(): number;
  /** Commands of those requests, without the commands inside scripts (which Upstash bills). */
  commandCount(): number;
  /** Commands that may change data, including scripts unless they say `no-writes`. */
  writeCommandCount(): number;
  /** Requests refused by the rate limit. */
  throttledCount(): number;
  stop(): Promise<void>;
}

const DEFAULT_LIMIT_BYTES = 10 * 1024 * 1024;

/**
 * A stand-in for Upstash's REST protocol over a real redis-server, on loopback.
 *
 * It models: a command as JSON array, in the path, `/pipeline` and `/multi-exec`; both ways of passing a token and a
 * read-only one; `Upstash-Encoding: base64`; `SCAN ... WITHTYPE`; the size limit on requests and replies; error shapes
 * and statuses; the absence of commands that Upstash does not offer. It does not model: JSON.*, other commands and
 * versions that redis-server lacks, billing of what scripts run, quotas, global replication (any
 * `upstash-sync-token` is accepted), the RESP2 format, `/monitor` and `/subscribe`; "OK" inside an array that a script
 * returns is encoded like any other string. Sources: upstash.com/docs/redis/features/restapi and the SDK's source.
 */
export async function startUpstashRedis(options: UpstashRedisOptions): Promise<UpstashRedisStandIn> {
  const counts: Counts = { requests: 0, commands: 0, writes: 0, throttled: 0 };
  const { commandsPerSecond = Infinity, now = () => performance.now() } = options;
  const mayRun = commandLimiter(commandsPerSecond, now);
  const engine = await openEngine(options.redisUrl);
  const limitBytes = options.requestLimitBytes ?? DEFAULT_LIMIT_BYTES;
  const server = await serveHttp(async (request, response) => {
    const work = answer(request, options, { engine, counts, limitBytes, mayRun });
    send(response, await work.catch(() => refusal(500, 'ERR internal error')), counts);
  }, options.port);
  return {
    url: server.url,
    token: options.token,
    requestCount: () => counts.requests,
    commandCount: () => counts.commands,
    writeCommandCount: () => counts.writes,
    throttledCount: () => counts.throttled,
    async stop() {
      await server.stop();
      engine.close();
    },
  };
}

async function answer(
  request: IncomingMessage,
  options: UpstashRedisOptions,
  shared: Pick<Execution, 'engine' | 'counts' | 'limitBytes' | 'mayRun'>,
): Promise<Answer> {
  const body = await bodyOf(request, shared.limitBytes);
  const [path = '/', query = ''] = splitOnce(request.url ?? '/', '?');
  if (!['HEAD', 'GET', 'POST', 'PUT'].includes(request.method ?? '')) return refusal(405, 'ERR method not allowed');
  const access = accessOf(request, query, options);
  if (access === null) return refusal(401, 'Unauthorized');
  shared.counts.requests++;
  await options.onRequest?.();
  if (typeof body === 'number') return refusal(413, sizeError(shared.limitBytes, body));
  const format = request.headers['upstash-response-format'];
  if (format !== undefined && format !== 'json') return refusal(400, 'ERR response format is not supported');
  try {
    const encoding = request.headers['upstash-encoding'] === 'base64' ? 'base64' : 'text';
    return await execute(parseRequest(path, query, body), { ...shared, readOnly: access === 'read', encoding });
  } catch (error) {
    if (error instanceof BadRequest) return refusal(400, error.message);
    throw error;
  }
}

function accessOf(request: IncomingMessage, query: string, options: UpstashRedisOptions): 'all' | 'read' | null {
  const given = bearerOf(request) || (new URLSearchParams(query).get('_token') ?? '');
  if (given === options.token) return 'all';
  return given === options.readOnlyToken ? 'read' : null;
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}

function send(response: ServerResponse, { status, json }: Answer, counts: Counts): void {
  const body = Buffer.from(json);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': body.length,
    'upstash-sync-token': `stand-in-${counts.requests}`,
  });
  response.end(body);
}
