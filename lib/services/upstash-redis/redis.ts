import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import {
  decoded,
  decodedCommand,
  type RedisCommand,
  type RedisPort,
  type RedisReply,
  type RedisValue,
  type Reply,
  type SentCommand,
  type WireReply,
  type WireValue,
} from '../../ports/redis.js';
import { DEFAULT_RETRY, parseRetryAfter, type RetryPolicy, withRetry } from '../retry.js';
import { commandPath, encodeBatch, type EncodedBatch, type ReadScript } from './arguments.js';
import { isQuotaError, isStarting, quotaError, redactErrorText, refusalError, unavailableError } from './failures.js';
import { type Body, parseBody, parseItem, parseWireBody, ProtocolError } from './replies.js';
import { type HttpAnswer, httpTransport } from './transport.js';

export interface UpstashRedisOptions {
  /** `UPSTASH_REDIS_REST_URL`: https://..., or http:// for a stand-in. */
  readonly url: string;
  readonly token: string;
  readonly clock: Clock;
  /** Default: DEFAULT_RETRY. `attempts: 1` for commands that must not run twice. */
  readonly retry?: RetryPolicy;
  /** For one request with its reply. Default 30 s. */
  readonly timeoutMs?: number;
  /** Largest body of a reply, base64 and JSON included. Default 10 MiB. */
  readonly maxReplyBytes?: number;
}

/** The identity of a database: host and port of its address and, behind a gateway, the path. */
export function databaseHost(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname.replace(/\/+$/, '')}`;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_REPLY_BYTES = 10 * 1024 * 1024;

/**
 * The limit of commands per second passes within a second, and a refused request has run nothing. Clients that share the limit
 * are served by chance, so each of several restore tasks may be refused many times: half a minute in all. Long waits would leave
 * free capacity unused; large requests, such as writes, wait longer because sending them only to be refused is expensive.
 */
const WHILE_LIMITED = {
  small: { attempts: 1200, steadyMs: 50 },
  large: { attempts: 300, steadyMs: 200 },
};
const SMALL_REQUEST_BYTES = 64 * 1024;

type Path = '/pipeline' | '/multi-exec';

/**
 * Upstash Redis over its REST API, byte for byte: replies come as base64, and commands with arguments that are not
 * valid UTF-8 are sent as a script with hex arguments. Such a command may have at most 7,000 arguments and may not be EVAL
 * itself. The script is run by EVAL_RO if it reads, or by EVAL if the token may not run EVAL_RO. An integer that JavaScript
 * would round is returned as a bigint, any other such number as a Buffer of its text.
 *
 * A batch is sent again after a transient failure, so it may run more than once: all of our writes are idempotent.
 * `usage` counts every attempt that may have run, and the bytes of bodies. Besides the port's errors, a batch that
 * Upstash rejects as a whole (a transaction with an unknown command) throws `redis-command`, and a malformed URL or token
 * throws `config` at once. Source: upstash.com/docs/redis/features/restapi
 */
export function upstashRedis(options: UpstashRedisOptions): RedisPort {
  let readScript: ReadScript = 'EVAL_RO';
  const usage = { requests: 0, commands: 0, bytesSent: 0, bytesReceived: 0 };
  const url = checkUrl(options.url);
  const send = httpTransport({
    url: url.origin + url.pathname.replace(/\/+$/, ''),
    token: checkToken(options.token),
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxReplyBytes: options.maxReplyBytes ?? DEFAULT_MAX_REPLY_BYTES,
    onReceived: (bytes) => (usage.bytesReceived += bytes),
  });

  async function exchange<V>(
    path: Path,
    batch: EncodedBatch,
    commands: readonly SentCommand[],
    parse: Parse<V>,
  ): Promise<Reply<V>[]> {
    usage.requests += 1;
    usage.bytesSent += batch.body.length;
    let isRefused = false;
    try {
      const answer = await send(path, batch.body);
      isRefused = answer.status !== 200 && answer.status < 500;
      return toReplies(answer, commands, options.clock.now(), parse);
    } finally {
      // A batch without an answer may have run, and is then billed.
      if (!isRefused) usage.commands += batch.billed;
    }
  }

  const retry = options.retry ?? DEFAULT_RETRY;
  const runWithRetry = <T>(bodyBytes: number, send: () => Promise<T>): Promise<T> => {
    const limited = bodyBytes <= SMALL_REQUEST_BYTES ? WHILE_LIMITED.small : WHILE_LIMITED.large;
    const policyFor = ({ code }: AppError): RetryPolicy =>
      code === 'redis-limit' && retry.attempts > 1 ? { ...retry, ...limited } : retry;
    return withRetry(options.clock, send, policyFor);
  };

  async function run<V extends WireValue>(
    path: Path,
    commands: readonly SentCommand[],
    parse: Parse<V>,
  ): Promise<Reply<V>[]> {
    const batch = encodeBatch(commands, readScript);
    const send = (): Promise<Reply<V>[]> =>
      runWithRetry(batch.body.length, () => exchange(path, batch, commands, parse));
    if (batch.scripts.length === 0) return send();
    const replies = await send().catch((error: unknown) => {
      if (readScript === 'EVAL_RO' && error instanceof AppError && error.code === 'redis-denied') return null;
      throw error;
    });
    if (readScript === 'EVAL_RO' && (replies === null || batch.scripts.some((at) => isNoPermission(replies[at])))) {
      // An ACL may allow EVAL alone.
      readScript = 'EVAL';
      return run(path, commands, parse);
    }
    const result = [...(replies ?? [])];
    for (const at of batch.scripts) result[at] = await readExactly(result[at] ?? { error: INEXACT }, commands[at]);
    return result;
  }

  /** Scripts round integers beyond 2^53: such a reply is read again by a request that does not round. */
  async function readExactly<V extends WireValue>(
    reply: Reply<V>,
    command: SentCommand | undefined,
  ): Promise<Reply<V>> {
    if (command === undefined || 'error' in reply) return reply;
    const value = decoded(reply.value);
    if (!isRounded(value)) return reply;
    const plain = decodedCommand(command);
    const path = commandPath(plain);
    const found = path === null ? null : await runWithRetry(0, () => exchangeOne(path, plain));
    return found !== null && 'value' in found && isNear(value, found.value) ? (found as Reply<V>) : { error: INEXACT };
  }

  async function exchangeOne(path: `/${string}`, command: RedisCommand): Promise<RedisReply> {
    usage.requests += 1;
    usage.commands += 1;
    const answer = await send(path, Buffer.alloc(0));
    return answer.status === 200 ? toReply(parseItem(answer.body), command) : { error: INEXACT };
  }

  function transaction(commands: readonly SentCommand[]): Promise<RedisReply[]>;
  function transaction(commands: readonly SentCommand[], form: 'wire'): Promise<WireReply[]>;
  function transaction(commands: readonly SentCommand[], form?: 'wire'): Promise<WireReply[]> {
    return form === 'wire'
      ? run<WireValue>('/multi-exec', commands, parseWireBody)
      : run('/multi-exec', commands, parseBody);
  }

  return {
    host: databaseHost(options.url),
    pipeline: (commands) => run('/pipeline', commands, parseBody),
    transaction,
    usage: () => ({ ...usage }),
  };
}

type Parse<V> = (body: Buffer) => Body<V>;

function toReplies<V>(answer: HttpAnswer, commands: readonly SentCommand[], now: number, parse: Parse<V>): Reply<V>[] {
  const body = tryParse(answer, parse);
  if (answer.status !== 200 || 'error' in body) {
    const text = 'error' in body ? body.error : null;
    const retryAfterMs = parseRetryAfter(answer.retryAfter, now);
    throw refusalError({ status: answer.status, retryAfterMs, text }, commands);
  }
  if (body.items.length !== commands.length) {
    throw unavailableError(`Upstash Redis answered ${body.items.length} of ${commands.length} commands`);
  }
  return body.items.map((item, index) => toReply(item, commands[index]));
}

function tryParse<V>(answer: HttpAnswer, parse: Parse<V>): Body<V> {
  try {
    return parse(answer.body);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    // A proxy's error page, for example: then the status is more useful.
    if (answer.status !== 200) return { items: [] };
    throw unavailableError(`Upstash Redis sent something other than its protocol: ${error.message}`);
  }
}

function toReply<V>(item: Reply<V>, command: SentCommand | undefined): Reply<V> {
  if ('value' in item) return item;
  if (isQuotaError(item.error)) throw quotaError();
  if (isStarting(item.error)) throw unavailableError('The database was started a moment ago and is not ready yet');
  return { error: redactErrorText(item.error, command === undefined ? [] : [command]) };
}

const INEXACT = 'ERR an integer beyond 2^53 cannot be read for a name that is not UTF-8';

function isNoPermission(reply: WireReply | undefined): boolean {
  return reply !== undefined && 'error' in reply && /^NOPERM/i.test(reply.error);
}

function isRounded(value: RedisValue): boolean {
  return typeof value === 'bigint' || (Array.isArray(value) && value.some(isRounded));
}

/** Whether a script may have rounded `exact` to `rounded`. A script turns a number beyond 64 bits into the lowest integer. */
function isNear(rounded: RedisValue, exact: RedisValue): boolean {
  if (Array.isArray(rounded)) {
    return Array.isArray(exact) && rounded.every((value, at) => !isRounded(value) || isNear(value, exact[at] ?? null));
  }
  const number = typeof exact === 'bigint' ? Number(exact) : Number.NaN;
  return Number(rounded) === number || Math.abs(number) === 2 ** 63;
}

function checkUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && (url.protocol === 'https:' || url.protocol === 'http:')) return url;
  throw new AppError('config', 'The URL of the Upstash Redis database is no http(s) URL', {
    hint: 'Set UPSTASH_REDIS_REST_URL to the REST URL in the Upstash console (https://...upstash.io), not to a redis:// one.',
  });
}

function checkToken(token: string): string {
  // Fetch would refuse any other token as a header, and quote it in its error.
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new AppError('config', 'The token of the Upstash Redis database is empty or has spaces or line ends in it', {
    hint: 'Copy UPSTASH_REDIS_REST_TOKEN again from the Upstash console, without quotes or a line end.',
  });
}
